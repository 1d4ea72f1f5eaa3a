/** Small models of both classes for backends to be tried on, made of a formula, so that they need
 *  no download: 32 layers with RoPE and 40 with ALiBi, as llama.cpp tells the classes apart by the
 *  number of layers; head counts that are a power of two and that are not, 40 among them.
 *
 *      x ← 1664525·x + 1013904223 mod 2³²,  u = x / 2³²
 *      norms      0.8 + 0.4·u
 *      matrices   (u₁ + u₂ + u₃ + u₄ − 2)·√3 · gain / √in
 *
 *  Matrices are nearly normal, of variance gain² / in. The gains keep attention peaked; those of
 *  the matrices that write into the residual stream are small, so that no error grows without
 *  bound. */

import { type BaichuanConfig, CONFIG_PRESETS } from '../../config.ts';
import type { TensorDescription } from '../../formats/safetensors-writer.ts';
import { type ParameterInfo, parameterTable } from '../../model/weights.ts';

export interface TinyModel {
  /** Of its folder. */
  readonly name: string;
  readonly config: BaichuanConfig;
  readonly seed: number;
}

/** A parameter with its data in one piece. */
export interface TinyTensor extends TensorDescription {
  readonly chunks: readonly [Uint8Array];
}

/** Pieces of the vocabulary of the embedded model, which they share. */
const VOCAB_SIZE = 2000;

export const TINY_MODELS: readonly TinyModel[] = [
  tinyModel('rope-32layers', 32, { layers: 32, heads: 4, headDim: 8, F: 48, length: 4096 }),
  tinyModel('alibi-40layers', 40, { layers: 40, heads: 5, headDim: 8, F: 56, length: 4096 }),
  tinyModel('alibi-40heads', 41, { layers: 40, heads: 40, headDim: 2, F: 96, length: 512 }),
];

interface Sizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  readonly F: number;
  readonly length: number;
}

function tinyModel(name: string, seed: number, sizes: Sizes): TinyModel {
  const { layers, heads, headDim, F, length } = sizes;
  const config: BaichuanConfig = {
    ...CONFIG_PRESETS[name.startsWith('rope') ? 'baichuan-7b' : 'baichuan-13b'],
    ...{ vocabSize: VOCAB_SIZE, hiddenSize: heads * headDim, intermediateSize: F },
    ...{ numHiddenLayers: layers, numAttentionHeads: heads, headDim, modelMaxLength: length },
  };
  return { name, config, seed };
}

/** The parameters, float32, in the order of execution. */
export function tinyWeights({ config, seed }: TinyModel): TinyTensor[] {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const normal = () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3);
  return [...parameterTable(config)].map(([name, info]) => {
    const { role, shape } = info;
    const factor = gainOf(info, config) / (role === 'embedding' ? 1 : Math.sqrt(shape[1] ?? 1));
    const next = role === 'norm' ? () => 0.8 + 0.4 * uniform() : () => normal() * factor;
    const count = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from({ length: count }, next);
    return { name, dtype: 'F32', shape, chunks: [new Uint8Array(values.buffer)] };
  });
}

/** Square matrices and those back from the intermediate size write into the residual stream. */
function gainOf({ role, shape }: ParameterInfo, { hiddenSize: C }: BaichuanConfig): number {
  if (role === 'embedding') return 1;
  if (role === 'head') return 2.5;
  return shape[0] === C ? 0.3 : 1.3;
}
