/** Whether native llama.cpp computes from GGUF files what the reference model computes.
 *
 *  Written: random models of 32 layers (RoPE) and of 40 (ALiBi), which is how llama.cpp tells the
 *  two apart, exported as F32, Q8_0 and Q4_0. Read: models of 32 layers whose matrices are random
 *  blocks of every other type. node-llama-cpp runs them, teacher forcing; at every position the
 *  next-token probabilities are compared with those of our reference kernels, and the most likely
 *  token must be the same wherever the best two are apart by more than twice the error.
 *
 *  llama.cpp multiplies blocks with activations that it rounds to 8 bits, so only F32 is close; that
 *  the bound is narrow enough is shown by a file with its nibbles swapped, which must fail.
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
import {
  baichuanMetadata,
  bufferSource,
  exportGguf,
  load,
  spellingsOf,
  writeGguf,
  writeSafetensors,
} from '../../src/index.ts';

const TOKENS = 24;

/** Largest difference of a probability: for F32, a few units of float32 in 40 layers; for blocks,
 *  half of the least that misread blocks must make, which is checked too. */
const BOUNDS = { F32: 4e-6, blocks: 0.1 };

/** Per block type: elements and bytes of a block; where d stands, its size for weights of variance
 *  1 when all other bytes are random; where the minimum stands, and how many d it is. */
const BLOCKS = {
  Q4_1: { elements: 32, bytes: 20, at: 0, unit: 4.6, minimumAt: 2, ratio: -7.5 },
  Q5_0: { elements: 32, bytes: 22, at: 0, unit: 9.2 },
  Q5_1: { elements: 32, bytes: 24, at: 0, unit: 9.2, minimumAt: 2, ratio: -15.5 },
  Q2_K: { elements: 256, bytes: 84, at: 80, unit: 14, minimumAt: 82, ratio: 1.5 },
  Q3_K: { elements: 256, bytes: 110, at: 108, unit: 43 },
  Q4_K: { elements: 256, bytes: 144, at: 0, unit: 258, minimumAt: 2, ratio: 7.5 },
  Q5_K: { elements: 256, bytes: 176, at: 0, unit: 527, minimumAt: 2, ratio: 15.5 },
  Q6_K: { elements: 256, bytes: 210, at: 208, unit: 1370 },
};

const require = createRequire(
  pathToFileURL(path.join(process.env.LLAMA_MODULES ?? import.meta.dirname, 'x.js')),
);
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);

const shapeOf = (numHiddenLayers, numAttentionHeads, intermediateSize) => ({
  ...{ numHiddenLayers, numAttentionHeads, intermediateSize, headDim: 32 },
  ...{ vocabSize: 320, modelMaxLength: 64, rmsNormEps: 1e-6 },
  hiddenSize: numAttentionHeads * 32,
  position: numHiddenLayers === 40 ? 'alibi' : 'rope',
});

/** Uniform, and nearly normal of variance 1. */
function randomSource(seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const normal = () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
  return { uniform, normal };
}

/** Matrices that write into the residual are small, so that an error does not grow with depth. */
const gainOf = (name) => {
  if (/o_proj|down_proj|attn_output|ffn_down/.test(name)) return 0.3;
  return /lm_head/.test(name) ? 2.5 : 1.3;
};

function randomWeights({ numHiddenLayers, hiddenSize: C, intermediateSize: F, vocabSize: V }) {
  const { normal, uniform } = randomSource(7);
  const tensors = new Map();
  const add = (name, shape, next) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, next);
    tensors.set(`${name}.weight`, { shape, values });
  };
  const matrix = (name, rows, columns) =>
    add(name, [rows, columns], () => (normal() * gainOf(name)) / Math.sqrt(columns));
  const norm = (name) => add(name, [C], () => 0.8 + 0.4 * uniform());
  add('model.embed_tokens', [V, C], normal);
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const at = `model.layers.${layer}`;
    norm(`${at}.input_layernorm`);
    matrix(`${at}.self_attn.W_pack`, 3 * C, C);
    matrix(`${at}.self_attn.o_proj`, C, C);
    norm(`${at}.post_attention_layernorm`);
    matrix(`${at}.mlp.gate_proj`, F, C);
    matrix(`${at}.mlp.up_proj`, F, C);
    matrix(`${at}.mlp.down_proj`, C, F);
  }
  norm('model.norm');
  matrix('lm_head', V, C);
  return tensors;
}

const bytesOf = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function checkpointOf(weights) {
  const tensors = new Map();
  for (const [name, { shape, values }] of weights) {
    const bytes = bytesOf(values);
    tensors.set(name, {
      ...{ name, dtype: 'F32', shape, byteLength: bytes.length, file: 'memory' },
      read: async (offset, length) => bytes.slice(offset, offset + length),
    });
  }
  return { tensors };
}

function vocabularyOf({ vocabSize }) {
  const texts = ['<unk>', '<s>', '</s>'];
  for (let byte = 0; byte < 256; byte++) {
    texts.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  }
  const types = [2, 3, 3, ...Array(256).fill(6)];
  const scores = Array(259).fill(0);
  for (let id = texts.length; id < vocabSize; id++) {
    texts.push(String.fromCodePoint(0x4e00 + id));
    types.push(1);
    scores.push(-id);
  }
  const pieces = {
    ...spellingsOf(texts),
    ...{ scores: Float32Array.from(scores), types: Int32Array.from(types) },
  };
  const settings = { addDummyPrefix: false, removeExtraWhitespaces: false };
  return { pieces, bosId: 1, eosId: 2, unkId: 0, padId: 0, ...settings };
}

/** Tensors as llama.cpp names them, all matrices of the layers random blocks of a type. */
function randomBlockTensors(type, { numHiddenLayers, hiddenSize: C, vocabSize: V, ...sizes }) {
  const { normal, uniform } = randomSource(11);
  const { elements, bytes: size, at, unit, minimumAt, ratio } = BLOCKS[type];
  const F = sizes.intermediateSize;
  const list = [];
  const floats = (name, shape, next) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, next);
    list.push({ name: `${name}.weight`, type: 'F32', shape, chunks: [bytesOf(values)] });
  };
  const blocks = (name, rows, columns) => {
    const bytes = Uint8Array.from({ length: (rows * columns * size) / elements }, () =>
      Math.floor(uniform() * 256),
    );
    const view = new DataView(bytes.buffer);
    for (let start = 0; start < bytes.length; start += size) {
      const d = (gainOf(name) * (0.5 + uniform())) / (unit * Math.sqrt(columns));
      view.setUint16(start + at, half(d), true);
      if (minimumAt !== undefined) view.setUint16(start + minimumAt, half(d * ratio), true);
    }
    list.push({ name: `${name}.weight`, type, shape: [rows, columns], chunks: [bytes] });
  };
  const norm = (name) => floats(name, [C], () => 0.8 + 0.4 * uniform());
  floats('token_embd', [V, C], normal);
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const prefix = `blk.${layer}`;
    norm(`${prefix}.attn_norm`);
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) {
      blocks(`${prefix}.${name}`, C, C);
    }
    norm(`${prefix}.ffn_norm`);
    blocks(`${prefix}.ffn_gate`, F, C);
    blocks(`${prefix}.ffn_up`, F, C);
    blocks(`${prefix}.ffn_down`, C, F);
  }
  norm('output_norm');
  floats('output', [V, C], () => (normal() * 2.5) / Math.sqrt(C));
  return list;
}

/** float16 of a number below 65,504, cut off. */
function half(value) {
  if (Math.abs(value) < 2 ** -14) {
    return (value < 0 ? 0x8000 : 0) + Math.floor(Math.abs(value) * 2 ** 24);
  }
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  return ((bits >>> 16) & 0x8000) | (((bits & 0x7fffffff) - 0x38000000) >>> 13);
}

function configOf(sizes) {
  const isRope = sizes.position === 'rope';
  return JSON.stringify({
    architectures: [isRope ? 'BaiChuanForCausalLM' : 'BaichuanForCausalLM'],
    model_type: 'baichuan',
    vocab_size: sizes.vocabSize,
    hidden_size: sizes.hiddenSize,
    intermediate_size: sizes.intermediateSize,
    num_hidden_layers: sizes.numHiddenLayers,
    num_attention_heads: sizes.numAttentionHeads,
    [isRope ? 'max_position_embeddings' : 'model_max_length']: sizes.modelMaxLength,
    ...{ rms_norm_eps: sizes.rmsNormEps, hidden_act: 'silu' },
    ...{ pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 },
  });
}

async function folderOf(sizes, weights) {
  const parts = [];
  const list = [...weights].map(([name, { shape, values }]) => {
    return { name, dtype: 'F32', shape, chunks: [bytesOf(values)] };
  });
  await writeSafetensors({ write: async (bytes) => void parts.push(bytes.slice()) }, list);
  const files = {
    'config.json': new TextEncoder().encode(configOf(sizes)),
    'model.safetensors': new Uint8Array(Buffer.concat(parts)),
  };
  return {
    name: 'memory',
    list: async () => Object.keys(files),
    open: async (name) => bufferSource(name, files[name]),
  };
}

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
