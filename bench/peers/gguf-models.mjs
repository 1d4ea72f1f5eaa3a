/** Random models for check-gguf.mjs: weights, vocabulary and files, all made in memory. */
import { bufferSource, spellingsOf, writeSafetensors } from '../../src/index.ts';

/** Per block type: elements and bytes of a block; where d stands, its size for weights of variance
 *  1 when all other bytes are random; where the minimum stands, and how many d it is. */
export const BLOCKS = {
  Q4_1: { elements: 32, bytes: 20, at: 0, unit: 4.6, minimumAt: 2, ratio: -7.5 },
  Q5_0: { elements: 32, bytes: 22, at: 0, unit: 9.2 },
  Q5_1: { elements: 32, bytes: 24, at: 0, unit: 9.2, minimumAt: 2, ratio: -15.5 },
  Q2_K: { elements: 256, bytes: 84, at: 80, unit: 14, minimumAt: 82, ratio: 1.5 },
  Q3_K: { elements: 256, bytes: 110, at: 108, unit: 43 },
  Q4_K: { elements: 256, bytes: 144, at: 0, unit: 258, minimumAt: 2, ratio: 7.5 },
  Q5_K: { elements: 256, bytes: 176, at: 0, unit: 527, minimumAt: 2, ratio: 15.5 },
  Q6_K: { elements: 256, bytes: 210, at: 208, unit: 1370 },
};

export const shapeOf = (numHiddenLayers, numAttentionHeads, intermediateSize) => ({
  ...{ numHiddenLayers, numAttentionHeads, intermediateSize, headDim: 32 },
  ...{ vocabSize: 320, modelMaxLength: 64, rmsNormEps: 1e-6 },
  hiddenSize: numAttentionHeads * 32,
  position: numHiddenLayers === 40 ? 'alibi' : 'rope',
});

/** Uniform, and nearly normal of variance 1. */
export function randomSource(seed) {
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

export function randomWeights({
  numHiddenLayers,
  hiddenSize: C,
  intermediateSize: F,
  vocabSize: V,
}) {
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

export function checkpointOf(weights) {
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

export function vocabularyOf({ vocabSize }) {
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
export function randomBlockTensors(
  type,
  { numHiddenLayers, hiddenSize: C, vocabSize: V, ...sizes },
) {
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

export async function folderOf(sizes, weights) {
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
