/** The weights of a synthetic model as a GGUF file in Q4_0, for llama.cpp. Its vocabulary is made up
 *  too: `<unk>`, `<s>`, `</s>`, the 256 bytes, then pieces that are their number. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { exportGguf, type GgufVocabulary, openSafetensors } from '../../src/index.ts';
import { createSyntheticModel, type ModelSizes } from './synthetic-model.ts';

/** What decides about every byte of the file, beside the sizes. */
const GENERATORS = [import.meta.dirname, path.resolve(import.meta.dirname, '../../src/formats/gguf')];

/** Writes the file, unless one of these sizes and of this generator is there.
 *  @param folder where it goes, made if need be @returns its path */
export async function writeSyntheticGguf(folder: string, sizes: ModelSizes): Promise<string> {
  const file = path.join(folder, `synthetic-${sizes.layers}x${sizes.hidden}.Q4_0.gguf`);
  const stamp = stampOf(sizes);
  const stampFile = `${file}.stamp`;
  if (existsSync(file) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return file;
  }
  mkdirSync(folder, { recursive: true });
  rmSync(stampFile, { force: true });
  process.stderr.write(`writing ${file}\n`);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await write(temporary, sizes);
    await rename(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
  writeFileSync(stampFile, stamp);
  return file;
}

function stampOf(sizes: ModelSizes): string {
  const sources = GENERATORS.flatMap((folder) =>
    readdirSync(folder).map((name) => readFileSync(path.join(folder, name))),
  );
  const hash = createHash('sha256');
  for (const source of sources) hash.update(source);
  return `${JSON.stringify(sizes)}\n${hash.digest('hex')}\n`;
}

async function write(file: string, sizes: ModelSizes): Promise<void> {
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
/** SentencePiece's numbers of the kinds of pieces. */
const [NORMAL, UNKNOWN, CONTROL, BYTE] = [1, 2, 3, 6];

function syntheticVocabulary(count: number): GgufVocabulary {
  const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0');
  const texts = Array.from({ length: count }, (_, id) => {
    const byte = id - SPECIAL.length;
    return SPECIAL[id] ?? (byte < BYTES ? `<0x${hex(byte)}>` : `piece${id}`);
  });
  const bytes = new TextEncoder().encode(texts.join(''));
  const [starts, ends] = [new Int32Array(count), new Int32Array(count)];
  const [scores, types] = [new Float32Array(count), new Int32Array(count).fill(NORMAL)];
  let end = 0;
  texts.forEach((text, id) => {
    starts[id] = end;
    end += text.length;
    ends[id] = end;
    scores[id] = -id;
  });
  types.fill(BYTE, SPECIAL.length, SPECIAL.length + BYTES);
  types.set([UNKNOWN, CONTROL, CONTROL]);
  const pieces = { count, bytes, starts, ends, scores, types };
  return { pieces, bosId: 1, eosId: 2, unkId: 0, padId: 0, addDummyPrefix: false };
}
