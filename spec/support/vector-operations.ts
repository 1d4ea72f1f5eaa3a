/** How this library computes each operation of the conformance vectors, on a set of kernels. */

import { readFileSync } from 'node:fs';
import { type BaichuanConfig, CONFIG_PRESETS, parseConfig } from '../../src/config.ts';
import { buildChatPrompt } from '../../src/generate/chat-prompt.ts';
import { processLogits } from '../../src/generate/processors.ts';
import type { Kernels } from '../../src/kernels/kernels.ts';
import { alibiSlopes } from '../../src/layers/alibi.ts';
import { KvCache } from '../../src/layers/kv-cache.ts';
import { rotaryTables } from '../../src/layers/rope.ts';
import { quantizeInt4Channel, quantizeInt8Channel } from '../../src/quantize/by-channel.ts';
import { float32, reshape, type Tensor, tensorOf } from '../../src/tensor/tensor.ts';
import { loadTokenizer } from '../../src/tokenizer/index.ts';
import { runner } from './goldens.ts';
import { KERNEL_SETS } from './kernel-sets.ts';
import { readSafetensors } from './safetensors-oracle.ts';
import {
  inputTensor,
  numbersOf,
  type VectorCase,
  type VectorMessage,
  vectorUrl,
} from './vectors.ts';

type Outputs = Record<string, ArrayLike<number>>;

/** Computes the outputs of a case. */
export type Operation = (vector: VectorCase, kernelSet: string) => Outputs | Promise<Outputs>;

/** Room for every operation: one layer, as wide as the widest case. */
const CONFIG: BaichuanConfig = {
  ...CONFIG_PRESETS['baichuan-13b'],
  ...{ vocabSize: 128, hiddenSize: 512, intermediateSize: 512, numHiddenLayers: 1 },
  ...{ numAttentionHeads: 4, headDim: 128, modelMaxLength: 4096 },
};

const number = ({ parameters }: VectorCase, name: string, otherwise = 0) =>
  Number(parameters[name] ?? otherwise);
const idsOf = (vector: VectorCase, name: string) =>
  Array.from(numbersOf(inputTensor(vector, name)));

/** An input in the memory of the kernels. */
function take(kernels: Kernels, vector: VectorCase, name: string): Tensor {
  const input = inputTensor(vector, name);
  return kernels.moveTo(kernels.arenaOf(0), tensorOf(numbersOf(input), [...input.shape]));
}

function linearOf(kernels: Kernels, vector: VectorCase, name: string) {
  const input = inputTensor(vector, name);
  const [rows, columns] = input.shape;
  const parameter = kernels.createLinear(name, [rows, columns], 'f32', 0);
  const bytes = new Uint8Array(numbersOf(input).buffer);
  parameter.write(0, { dtype: 'F32', bytes });
  return parameter.weight;
}

const positionsOf = (vector: VectorCase) =>
  idsOf(vector, 'position').map((position, start) => ({ sequence: 0, start, count: 1, position }));

const tablesOf = (vector: VectorCase) =>
  rotaryTables(positionsOf(vector), number(vector, 'head_dim'), number(vector, 'base'));

const attention: Operation = (vector, kernelSet) => {
  const [heads, headDim] = [number(vector, 'heads'), number(vector, 'head_dim')];
  const config = { ...CONFIG, hiddenSize: heads * headDim, numAttentionHeads: heads, headDim };
  const kernels = KERNEL_SETS[kernelSet](config);
  const arena = kernels.arenaOf(0);
  const [q, k, v] = ['q', 'k', 'v'].map((name) => take(kernels, vector, name));
  const [S] = k.shape;
  const kvCache = new KvCache(kernels, { layers: 1, heads, headDim, contextLength: 4096 });
  const sequence = kvCache.open();
  const all = { sequence, start: 0, count: S, position: 0 };
  kvCache.reserve(all);
  kernels.appendKeyValue(k, v, kvCache.view(0, all));
  kvCache.commit(all);
  // The queries are those of the last positions, whose keys lie in the cache already.
  const count = q.shape[0];
  const last = { blocks: kvCache.view(0, all).blocks, position: S - count, count };
  const target = arena.allocate([count, heads, headDim]);
  const slopes = vector.parameters.position === 'alibi' ? alibiSlopes(heads) : null;
  const observe = { scores: null, probs: null };
  kernels.attention(q, last, { scale: 1 / Math.sqrt(headDim), slopes, observe }, target);
  return { y: float32(target) };
};

const logits: Operation = async ({ parameters, ...vector }, kernelSet) => {
  const folder = String(parameters.model);
  const file = vectorUrl(`${folder}/config.json`);
  const config = parseConfig(readFileSync(file), { file: 'config.json' });
  const weights = readSafetensors(vectorUrl(`${folder}/model.safetensors`));
  const { run, kvCache } = await runner({ config, weights }, kernelSet);
  let hidden: Float32Array = new Float32Array(0);
  const tap = (name: string, tensor: Tensor) => {
    if (name === 'model.norm.output') hidden = float32(tensor).slice();
  };
  const ids = idsOf({ parameters, ...vector }, 'input_ids');
  return { logits: run([{ sequence: kvCache.open(), ids }], tap), hidden };
};

const chat: Operation = (vector) => {
  const messages = (vector.inputs.messages as readonly VectorMessage[]).map(({ role, ids }) => {
    return { role, content: JSON.stringify(ids) };
  });
  const maxInput = number(vector, 'max_input');
  const { promptIds } = buildChatPrompt(messages, {
    tokenizer: { encode: (text) => JSON.parse(text) },
    roles: {
      userTokenId: number(vector, 'user_token_id'),
      assistantTokenId: number(vector, 'assistant_token_id'),
    },
    ...{ modelMaxLength: maxInput + 7, maxNewTokens: 7 },
  });
  return { ids: promptIds };
};

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'alibi-slopes': (vector) => ({ slopes: alibiSlopes(number(vector, 'heads')) }),
  'alibi-bias': (vector) => {
    const slopes = alibiSlopes(number(vector, 'heads'));
    const keys = idsOf(vector, 'key');
    const bias = idsOf(vector, 'head').flatMap((head) => keys.map((key) => slopes[head] * key));
    return { bias: Float32Array.from(bias) };
  },
  'rope-tables': (vector) => {
    const tables = tablesOf(vector);
    return { cos: float32(tables.cos), sin: float32(tables.sin) };
  },
  rope: (vector, kernelSet) => {
    const kernels = KERNEL_SETS[kernelSet](CONFIG);
    const [cos, sin] = Object.values(tablesOf(vector)).map((table) =>
      kernels.moveTo(kernels.arenaOf(0), table),
    );
    return { y: float32(kernels.rotateHalves(take(kernels, vector, 'x'), cos, sin)) };
  },
  'rms-norm': (vector, kernelSet) => {
    const kernels = KERNEL_SETS[kernelSet](CONFIG);
    const [x, weight] = ['x', 'weight'].map((name) => take(kernels, vector, name));
    return { y: float32(kernels.rmsNorm(x, weight, number(vector, 'eps'))) };
  },
  'w-pack': (vector, kernelSet) => {
    const kernels = KERNEL_SETS[kernelSet](CONFIG);
    const [heads, headDim] = [number(vector, 'heads'), number(vector, 'head_dim')];
    const weight = linearOf(kernels, vector, 'weight');
    const packed = kernels.linear(take(kernels, vector, 'x'), weight);
    const size = heads * headDim;
    const parts = ['q', 'k', 'v'].map((name, block) => {
      const part = kernels.columns(packed, block * size, size);
      return [name, float32(reshape(part, [packed.shape[0], heads, headDim]))] as const;
    });
    return Object.fromEntries(parts);
  },
  attention,
  silu: (vector, kernelSet) => {
    const kernels = KERNEL_SETS[kernelSet](CONFIG);
    const values = numbersOf(inputTensor(vector, 'x'));
    const row = (numbers: Float32Array) =>
      kernels.moveTo(kernels.arenaOf(0), tensorOf(numbers, [1, numbers.length]));
    const ones = row(new Float32Array(values.length).fill(1));
    return { y: float32(kernels.siluMul(row(values), ones, null)) };
  },
  mlp: (vector, kernelSet) => {
    const kernels = KERNEL_SETS[kernelSet](CONFIG);
    const [gate, up, down] = ['gate', 'up', 'down'].map((name) => linearOf(kernels, vector, name));
    const x = take(kernels, vector, 'x');
    const gated = kernels.siluMul(kernels.linear(x, gate), kernels.linear(x, up), null);
    return { y: float32(kernels.linear(gated, down)) };
  },
  logits,
  quantizer: (vector) => {
    const weight = inputTensor(vector, 'weight');
    const quantize = number(vector, 'bits') === 8 ? quantizeInt8Channel : quantizeInt4Channel;
    const [out, columns] = weight.shape;
    const { values, scales } = quantize(numbersOf(weight), [out, columns]);
    return { qweight: values, scale: scales };
  },
  chat,
  sampler: (vector) => {
    const scores = processLogits(
      numbersOf(inputTensor(vector, 'logits')),
      new Set(idsOf(vector, 'context_ids')),
      {
        doSample: true,
        repetitionPenalty: number(vector, 'repetition_penalty', 1),
        temperature: number(vector, 'temperature', 1),
        topK: number(vector, 'top_k'),
        topP: number(vector, 'top_p', 1),
        minP: number(vector, 'min_p'),
      },
    );
    return { scores };
  },
  tokenizer: ({ parameters, inputs }) => {
    const tokenizer = loadTokenizer(readFileSync(vectorUrl(String(parameters.tokenizer))));
    return { ids: tokenizer.encode(String(inputs.text)) };
  },
};
