/** The weights of a synthetic model as a GGUF file in Q4_0, for llama.cpp. Its vocabulary is made
 *  up too: `<unk>`, `<s>`, `</s>`, the 256 bytes, then a character of its own for every id, so that
 *  text can stand for ids where no ids are taken. */

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { exportGguf, type GgufVocabulary, openSafetensors, spellingsOf } from '../../src/index.ts';
import { createSyntheticModel, pieceText, type SyntheticSizes } from './synthetic-model.ts';

/** What decides about every byte of the file, beside the sizes. */
const GENERATORS = ['synthetic-gguf.ts', 'synthetic-model.ts', '../../src/formats/gguf'];

/** Writes the file, unless one of these sizes and of this generator is there.
 *  @param folder where it goes, made if need be @returns its path */
export async function writeSyntheticGguf(folder: string, sizes: SyntheticSizes): Promise<string> {
  const file = fileOf(folder, sizes);
  const stamp = stampOf(sizes);
  const stampFile = `${file}.stamp`;
  if (existsSync(file) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return file;
  }
  mkdirSync(folder, { recursive: true });
  rmSync(stampFile, { force: true });
  process.stderr.write(`writing ${file}\n`);
  const temporary = `${file}.${process.pid}.tmp`;
  const removeTemporary = () => rmSync(temporary, { force: true });
  process.once('exit', removeTemporary);
  try {
    await write(temporary, sizes);
    await rename(temporary, file);
  } finally {
    removeTemporary();
    process.off('exit', removeTemporary);
  }
  writeFileSync(stampFile, stamp);
  return file;
}

/** Removes the file, if it is there. */
export function removeSyntheticGguf(folder: string, sizes: SyntheticSizes): void {
  const file = fileOf(folder, sizes);
  for (const name of [file, `${file}.stamp`]) rmSync(name, { force: true });
}

function fileOf(folder: string, { layers, hidden }: SyntheticSizes): string {
  return path.join(folder, `synthetic-${layers}x${hidden}.Q4_0.gguf`);
}

function stampOf(sizes: SyntheticSizes): string {
  const hash = createHash('sha256');
  for (const generator of GENERATORS) {
    const place = path.join(import.meta.dirname, generator);
    const files = statSync(place).isFile()
      ? [place]
      : readdirSync(place).map((name) => path.join(place, name));
    for (const file of files) hash.update(readFileSync(file));
  }
  return `${JSON.stringify(sizes)}\n${hash.digest('hex')}\n`;
}

async function write(file: string, sizes: SyntheticSizes): Promise<void> {
  const { config, folder } = createSyntheticModel(sizes);
  const checkpoint = await openSafetensors(await folder.open('model.safetensors'));
  const handle = await open(file, 'w');
  try {
    const sink = { write: async (bytes: Uint8Array) => handle.writeFile(bytes) };
    const vocabulary = syntheticVocabulary(sizes.vocabulary);
    await exportGguf(
      sink,
      { checkpoint, sizes: config, vocabulary, name: folder.name },
      { type: 'Q4_0' },
    );
  } finally {
    await handle.close();
    await checkpoint.close();
  }
}

const BYTES = 256;
const SPECIAL = ['<unk>', '<s>', '</s>'];
/** Spaces stay as they are, as in the published vocabulary. */
const SPACES = { addDummyPrefix: false, removeExtraWhitespaces: false };
/** SentencePiece's numbers of the kinds of pieces. */
const [NORMAL, UNKNOWN, CONTROL, BYTE] = [1, 2, 3, 6];

function syntheticVocabulary(count: number): GgufVocabulary {
  const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0');
  const texts = Array.from({ length: count }, (_, id) => {
    const byte = id - SPECIAL.length;
    return SPECIAL[id] ?? (byte < BYTES ? `<0x${hex(byte)}>` : pieceText(id));
  });
  const types = new Int32Array(count).fill(NORMAL);
  types.fill(BYTE, SPECIAL.length, SPECIAL.length + BYTES);
  types.set([UNKNOWN, CONTROL, CONTROL]);
  const scores = Float32Array.from(texts, (_, id) => -id);
  const pieces = { ...spellingsOf(texts), scores, types };
  return { pieces, bosId: 1, eosId: 2, unkId: 0, padId: 0, ...SPACES };
}
