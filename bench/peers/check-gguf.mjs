/** Whether native llama.cpp computes from our GGUF files what the reference model computes.
 *
 *  Random models of 32 layers (RoPE) and of 40 (ALiBi), which is how llama.cpp tells the two apart,
 *  are written as F32, Q8_0 and Q4_0 and run by node-llama-cpp, teacher forcing: at every position
 *  the next-token probabilities are compared with those of our reference kernels, and the most
 *  likely token must be the same wherever the best two are apart by more than twice the error.
 *
 *  Needs node-llama-cpp 3.22 (`npm i --ignore-scripts node-llama-cpp@3.22.1` in this folder, or in
 *  the folder that LLAMA_MODULES names). Run: npx tsx bench/peers/check-gguf.mjs */
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { bufferSource, exportGguf, load, spellingsOf, writeSafetensors } from '../../src/index.ts';

const TOKENS = 24;
/** Largest difference of a probability, by type: llama.cpp multiplies blocks with activations in
 *  8 bits, F32 with float32. Measured, times two. */
const BOUNDS = { F32: 2e-5, Q8_0: 4e-2, Q4_0: 4e-2 };

const require = createRequire(
  pathToFileURL(path.join(process.env.LLAMA_MODULES ?? import.meta.dirname, 'x.js')),
);
const { getLlama } = await import(pathToFileURL(require.resolve('node-llama-cpp')).href);

const MODELS = [
  { numHiddenLayers: 32, numAttentionHeads: 4, headDim: 32, intermediateSize: 352 },
  { numHiddenLayers: 40, numAttentionHeads: 5, headDim: 32, intermediateSize: 416 },
].map((sizes) => ({
  ...sizes,
  hiddenSize: sizes.numAttentionHeads * sizes.headDim,
  vocabSize: 320,
  modelMaxLength: 64,
  rmsNormEps: 1e-6,
}));

function randomSource(seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const normal = () => uniform() + uniform() + uniform() + uniform() - 2;
  return { uniform, normal };
}

function randomWeights({ numHiddenLayers, hiddenSize: C, intermediateSize: F, vocabSize: V }) {
  const { normal, uniform } = randomSource(7);
  const tensors = new Map();
  const add = (name, shape, next) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, next);
    tensors.set(`${name}.weight`, { shape, values });
  };
  const matrix = (name, rows, columns, gain = 1) =>
    add(name, [rows, columns], () => (normal() * gain * 1.7) / Math.sqrt(columns));
  const norm = (name) => add(name, [C], () => 0.8 + 0.4 * uniform());
  matrix('model.embed_tokens', V, C, Math.sqrt(C));
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const at = `model.layers.${layer}`;
    norm(`${at}.input_layernorm`);
    matrix(`${at}.self_attn.W_pack`, 3 * C, C, 1.5);
    matrix(`${at}.self_attn.o_proj`, C, C);
    norm(`${at}.post_attention_layernorm`);
    matrix(`${at}.mlp.gate_proj`, F, C);
    matrix(`${at}.mlp.up_proj`, F, C);
    matrix(`${at}.mlp.down_proj`, C, F);
  }
  norm('model.norm');
  matrix('lm_head', V, C, 2.5);
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
  return { pieces, bosId: 1, eosId: 2, unkId: 0, padId: 0, addDummyPrefix: false };
}

function configOf(sizes) {
  const isRope = sizes.numHiddenLayers === 32;
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

async function writeFile(file, model, type) {
  const handle = await open(file, 'w');
  await exportGguf({ write: async (bytes) => void (await handle.write(bytes)) }, model, { type });
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
  let decided = 0;
  let equal = 0;
  let agreed = 0;
  expected.forEach((row, i) => {
    const [first, second] = row.toSorted((a, b) => b - a);
    const other = [...found[i]].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
    const same = argmax(row) === other;
    agreed += same ? 1 : 0;
    if (first - second <= 2 * worst) return;
    decided += 1;
    equal += same ? 1 : 0;
  });
  return { worst, decided, equal, agreed };
}

const folder = mkdtempSync(path.join(tmpdir(), 'check-gguf-'));
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
let failures = 0;
try {
  for (const sizes of MODELS) {
    const weights = randomWeights(sizes);
    const { uniform } = randomSource(3);
    const ids = Array.from({ length: TOKENS }, () => 259 + Math.floor(uniform() * 61));
    const model = { checkpoint: checkpointOf(weights), sizes, vocabulary: vocabularyOf(sizes) };
    for (const type of Object.keys(BOUNDS)) {
      const file = path.join(folder, `${sizes.numHiddenLayers}-${type}.gguf`);
      await writeFile(file, { ...model, name: 'random' }, type);
      const source = type === 'F32' ? await folderOf(sizes, weights) : file;
      const expected = await referenceProbabilities(source, ids);
      const result = compare(expected, await llamaProbabilities(llama, file, ids));
      const passed = result.worst <= BOUNDS[type] && result.equal === result.decided;
      failures += passed ? 0 : 1;
      const { worst, decided, equal, agreed } = result;
      const greedy = `${equal} of ${decided} decided positions (${agreed} of ${TOKENS} in all)`;
      console.log(
        `${passed ? 'passed' : 'FAILED'}  ${sizes.numHiddenLayers} layers ${type}: ` +
          `probabilities within ${worst.toExponential(2)}, greedy equal at ${greedy}`,
      );
    }
  }
} finally {
  await llama.dispose();
  rmSync(folder, { recursive: true });
}
console.log(`${failures === 0 ? 'all passed' : `${failures} failed`}`);
process.exitCode = failures === 0 ? 0 : 1;
