/** What `baichuan conform` says of native llama.cpp, on the models of the kit and on a vocabulary.
 *
 *  The kit's models run as they are and as Q8_0 and Q4_0. With a `tokenizer.model` and encodings by
 *  SentencePiece (JSON lines of {"text", "ids"}), a model with that vocabulary is written twice: as
 *  this project exports it, and as llama.cpp's own converter does, which types user-defined pieces
 *  as normal and does not say whether a space belongs in front; llama.cpp encodes every text.
 *
 *  Needs node-llama-cpp in this folder, or in the folder that LLAMA_MODULES names. Run:
 *  npm run build && npx tsx bench/peers/check-conform.mjs [tokenizer.model encodings.jsonl] */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  baichuanMetadata,
  exportGguf,
  ggufTensors,
  openModel,
  readGgufVocabulary,
  writeGguf,
} from '../../src/index.ts';
import { checkpointOf, randomWeights, shapeOf } from './gguf-models.mjs';

const PROJECT = process.env.LLAMA_MODULES ?? import.meta.dirname;
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const USER_DEFINED = 4;
const NORMAL = 1;
const [tokenizerFile, encodingsFile] = process.argv.slice(2);
const folder = mkdtempSync(path.join(tmpdir(), 'check-conform-'));

/** Runs the command line. */
function baichuan(...args) {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, output, said) => {
      resolve({ code: error?.code ?? 0, output: output || said });
    });
  });
}

async function writeTo(file, write) {
  const handle = await open(file, 'w');
  await write({ write: async (bytes) => void (await handle.write(bytes)) });
  await handle.close();
}

async function checkKit() {
  const kit = path.join(folder, 'kit');
  await baichuan('conform', '--emit', kit, '--max-length', '130', '--claims', 'logits');
  for (const name of ['rope-32layers', 'alibi-40layers', 'alibi-40heads']) {
    const source = path.join(kit, name);
    const opened = await openModel(source);
    const vocabulary = readGgufVocabulary(readFileSync(path.join(source, 'tokenizer.model')));
    for (const type of ['F32', 'Q8_0', 'Q4_0']) {
      const file = path.join(folder, `${name}-${type}.gguf`);
      const model = { checkpoint: opened.checkpoint, sizes: opened.config, vocabulary, name };
      // Rows that blocks do not divide cannot be written in them.
      if (type !== 'F32' && opened.config.hiddenSize % 32 !== 0) continue;
      const options = { type: 'F32', outerType: type };
      await writeTo(file, (sink) => exportGguf(sink, model, type === 'F32' ? { type } : options));
      const { code, output } = await baichuan(
        ...['conform', '--gguf', file, '--project', PROJECT, '--max-length', '520'],
      );
      console.log(`\n== ${name} ${type}: exit code ${code}\n${output}`);
    }
    await opened.close();
  }
}

/** A model of 32 layers with a vocabulary, as this project or as the converter writes it. */
async function writeVocabulary(file, bytes, asConverter) {
  const vocabulary = readGgufVocabulary(bytes, tokenizerFile);
  const sizes = { ...shapeOf(32, 1, 32), vocabSize: vocabulary.pieces.count };
  const { types } = vocabulary.pieces;
  const retyped = types.filter((type) => type === USER_DEFINED).length;
  if (asConverter) types.set(types.map((type) => (type === USER_DEFINED ? NORMAL : type)));
  const checkpoint = checkpointOf(randomWeights(sizes));
  const model = { checkpoint, sizes, vocabulary, name: 'vocabulary' };
  const metadata = baichuanMetadata(sizes, vocabulary, 'F32', 'vocabulary');
  if (asConverter) metadata.delete('tokenizer.ggml.add_space_prefix');
  await writeTo(file, (sink) => writeGguf(sink, metadata, ggufTensors(model, { type: 'F32' })));
  return retyped;
}

async function checkVocabulary() {
  const require = createRequire(pathToFileURL(path.join(PROJECT, 'x.js')));
  const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const bytes = readFileSync(tokenizerFile);
  const lines = readFileSync(encodingsFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const asConverter of [false, true]) {
    const file = path.join(folder, 'vocabulary.gguf');
    const retyped = await writeVocabulary(file, bytes, asConverter);
    const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
    const encode = (text) => Array.from(model.tokenize(text, false));
    const counts = { equal: 0, space: 0, other: 0 };
    const examples = [];
    const [space] = encode(' ');
    for (const { text, ids } of lines) {
      const found = encode(text);
      if (found.join() === ids.join()) counts.equal += 1;
      else if (found[0] === space || found.length === ids.length + 1) counts.space += 1;
      else counts.other += 1;
      if (found.join() !== ids.join() && examples.length < 4) examples.push({ text, ids, found });
    }
    await model.dispose();
    const way = asConverter
      ? `as the converter writes it (${retyped} pieces retyped)`
      : 'as exported here';
    console.log(`\n== ${lines.length} texts, ${way}: ${JSON.stringify(counts)}`);
    for (const { text, ids, found } of examples) {
      const shown = (list) => list.slice(0, 12).join(',');
      console.log(`   ${JSON.stringify(text.slice(0, 40))}: ${shown(ids)} found ${shown(found)}`);
    }
    rmSync(file);
  }
  await llama.dispose();
}

try {
  await checkKit();
  if (encodingsFile !== undefined) await checkVocabulary();
} finally {
  rmSync(folder, { recursive: true });
}
