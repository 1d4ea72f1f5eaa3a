/** Whether native llama.cpp computes from GGUF files what the reference model computes.
 *
 *  Written: random models of 32 layers (RoPE) and of 40 (ALiBi), which is how llama.cpp tells the
 *  two apart, exported as F32, Q8_0 and Q4_0. Read: models of 32 layers whose matrices are random
 *  blocks of every other type. node-llama-cpp runs them, teacher forcing; at every position the
 *  next-token probabilities are compared with those of our reference kernels, and the most likely
 *  token must be the same wherever the best two are apart by more than twice the error.
 *
 *  llama.cpp multiplies blocks with activations that it rounds to 8 bits, so only F32 is close;
 *  that the bound is narrow enough is shown by a file with swapped nibbles, which must fail.
 *
 *  Needs node-llama-cpp 3.22 (`npm i --ignore-scripts node-llama-cpp@3.22.1` in this folder, or in
 *  the folder that LLAMA_MODULES names). Run: npx tsx bench/peers/check-gguf.mjs */
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { baichuanMetadata, exportGguf, load, writeGguf } from '../../src/index.ts';
import {
  BLOCKS,
  checkpointOf,
  folderOf,
  randomBlockTensors,
  randomSource,
  randomWeights,
  shapeOf,
  vocabularyOf,
} from './gguf-models.mjs';

const TOKENS = 24;

/** Largest difference of a probability: for F32, a few units of float32 in 40 layers; for blocks,
 *  half of the least that misread blocks must make, which is checked too. */
const BOUNDS = { F32: 4e-6, blocks: 0.1 };

const require = createRequire(
  pathToFileURL(path.join(process.env.LLAMA_MODULES ?? import.meta.dirname, 'x.js')),
);
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);

const softmax = (logits) => {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = Array.from(logits, (value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
};

async function referenceProbabilities(source, ids) {
  const model = await load(source);
  const { data, shape } = await model.forward(ids);
  await model.close();
  return ids.map((_, i) => softmax(data.subarray(i * shape[1], (i + 1) * shape[1])));
}

/** Opens a file to be written, and closes it. */
async function writeTo(file, write) {
  const handle = await open(file, 'w');
  await write({ write: async (bytes) => void (await handle.write(bytes)) });
  await handle.close();
}

async function llamaProbabilities(llama, file, ids) {
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
  const context = await model.createContext({
    ...{ contextSize: 64, threads: 1, flashAttention: false },
    ...{ experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32' },
  });
  const sequence = context.getSequence();
  const steps = ids.map((id) => [id, { generateNext: { probabilities: true } }]);
  const results = await sequence.controlledEvaluate(steps);
  await context.dispose();
  await model.dispose();
  return results.map((result) => result.next.probabilities);
}

/** Greatest difference of a probability, and how often the best tokens had to agree and did. */
function compare(expected, found) {
  let worst = 0;
  expected.forEach((row, i) => {
    row.forEach((value, id) => {
      worst = Math.max(worst, Math.abs(value - (found[i].get(id) ?? 0)));
    });
  });
  const argmax = (row) => row.indexOf(Math.max(...row));
  const counts = { decided: 0, equal: 0, agreed: 0 };
  expected.forEach((row, i) => {
    const [first, second] = row.toSorted((a, b) => b - a);
    const other = [...found[i]].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
    const same = argmax(row) === other;
    counts.agreed += same ? 1 : 0;
    if (first - second <= 2 * worst) return;
    counts.decided += 1;
    counts.equal += same ? 1 : 0;
  });
  return { worst, ...counts };
}

const folder = mkdtempSync(path.join(tmpdir(), 'check-gguf-'));
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
let failures = 0;

async function measure(file, source) {
  const { uniform } = randomSource(3);
  const ids = Array.from({ length: TOKENS }, () => 259 + Math.floor(uniform() * 61));
  const expected = await referenceProbabilities(source, ids);
  const { worst, ...counts } = compare(expected, await llamaProbabilities(llama, file, ids));
  return { worst, ...counts };
}

async function check(title, file, source, bound) {
  const { worst, ...counts } = await measure(file, source);
  rmSync(file);
  const passed = worst <= bound && counts.equal === counts.decided && counts.decided > 0;
  failures += passed ? 0 : 1;
  const greedy = `${counts.equal} of ${counts.decided} decided positions`;
  console.log(
    `${passed ? 'passed' : 'FAILED'}  ${title}: probabilities within ${worst.toExponential(2)}, ` +
      `greedy equal at ${greedy} (${counts.agreed} of ${TOKENS} in all)`,
  );
}

/** The comparison sees it when one side reads the nibbles of Q4_1 in the wrong order. */
async function checkMisread(sizes) {
  const metadata = baichuanMetadata(sizes, vocabularyOf(sizes), 'F32', 'random');
  const tensors = randomBlockTensors('Q4_1', sizes);
  const swapped = tensors.map((tensor) => {
    if (tensor.type !== 'Q4_1') return tensor;
    const isScale = (i) => i % 20 < 4;
    const swap = (byte, i) => (isScale(i) ? byte : (byte >>> 4) | ((byte & 15) << 4));
    return { ...tensor, chunks: [tensor.chunks[0].map(swap)] };
  });
  const [file, other] = ['right', 'swapped'].map((name) => path.join(folder, `${name}.gguf`));
  await writeTo(file, (sink) => writeGguf(sink, metadata, tensors));
  await writeTo(other, (sink) => writeGguf(sink, metadata, swapped));
  const { worst } = await measure(file, other);
  const passed = worst >= 2 * BOUNDS.blocks;
  failures += passed ? 0 : 1;
  console.log(`${passed ? 'passed' : 'FAILED'}  swapped nibbles differ by ${worst.toFixed(2)}`);
}

try {
  for (const sizes of [shapeOf(32, 4, 352), shapeOf(40, 5, 416)]) {
    const weights = randomWeights(sizes);
    const model = { checkpoint: checkpointOf(weights), sizes, vocabulary: vocabularyOf(sizes) };
    for (const type of ['F32', 'Q8_0', 'Q4_0']) {
      const title = `${sizes.numHiddenLayers} layers ${type} written`;
      const file = path.join(folder, `${type}.gguf`);
      await writeTo(file, (sink) => exportGguf(sink, { ...model, name: 'random' }, { type }));
      // Written as float32 from one file, read from another: an error in both would not cancel.
      const source = type === 'F32' ? await folderOf(sizes, weights) : file;
      await check(title, file, source, type === 'F32' ? BOUNDS.F32 : BOUNDS.blocks);
    }
  }
  const sizes = shapeOf(32, 8, 256);
  for (const type of Object.keys(BLOCKS)) {
    const file = path.join(folder, `${type}.gguf`);
    const metadata = baichuanMetadata(sizes, vocabularyOf(sizes), 'F32', 'random');
    await writeTo(file, (sink) => writeGguf(sink, metadata, randomBlockTensors(type, sizes)));
    await check(`32 layers ${type} read`, file, file, BOUNDS.blocks);
  }
  await checkMisread(shapeOf(32, 8, 256));
} finally {
  await llama.dispose();
  rmSync(folder, { recursive: true });
}
console.log(failures === 0 ? 'all passed' : `${failures} failed`);
process.exitCode = failures === 0 ? 0 : 1;
