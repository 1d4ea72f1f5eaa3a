/** The golden models: configuration, weights and recorded activations of the published code
 *  (`alibi-5heads`, `rope-4heads`) and of the independent PyTorch model in `fixtures/generate/`. */

import { readFileSync } from 'node:fs';
import { type BaichuanConfig, parseConfig } from '../../src/config.ts';
import type { Kernels } from '../../src/kernels/kernels.ts';
import type { LayerContext, Segment, Tap } from '../../src/layers/context.ts';
import type { DecoderLayerWeights } from '../../src/layers/decoder-layer.ts';
import { KvCache } from '../../src/layers/kv-cache.ts';
import { createContext, forward, type Machine } from '../../src/model/baichuan.ts';
import { type BaichuanWeights, createWeights, parameterShapes } from '../../src/model/weights.ts';
import { float32, type Tensor, tensorOf } from '../../src/tensor/tensor.ts';
import { difference } from '../../src/verify/compare.ts';
import { KERNEL_SETS } from './kernel-sets.ts';
import { type OracleTensor, readSafetensors } from './safetensors-oracle.ts';

export { KERNEL_SETS };

export interface Golden {
  readonly name: string;
  readonly config: BaichuanConfig;
  readonly weights: Map<string, OracleTensor>;
  readonly float32: Map<string, OracleTensor>;
  readonly float64: Map<string, OracleTensor>;
  readonly generation: Map<string, OracleTensor>;
  readonly leftPadding: Map<string, OracleTensor>;
  /** Bars of the issue that the goldens prove, relative to a tensor's largest magnitude. */
  readonly bars: { readonly float32: number; readonly float64: number };
}

const ROOT = new URL('../../fixtures/goldens/', import.meta.url);

function golden(name: string): Golden {
  const file = (leaf: string) => new URL(`${name}/${leaf}`, ROOT);
  const config = parseConfig(readFileSync(file('config.json')), { file: 'config.json' });
  const deep = config.numHiddenLayers >= 32;
  return {
    name,
    config,
    weights: readSafetensors(file('model.safetensors')),
    float32: readSafetensors(file('activations.f32.safetensors')),
    float64: readSafetensors(file('activations.f64.safetensors')),
    generation: readSafetensors(file('generation.safetensors')),
    leftPadding: readSafetensors(file('left_padding.safetensors')),
    bars: deep ? { float32: 2e-5, float64: 4e-6 } : { float32: 1e-5, float64: 1e-6 },
  };
}

export const GOLDENS: readonly Golden[] = [
  'alibi-5heads',
  'rope-4heads',
  'alibi-40heads',
  'rope-3heads-32layers',
].map(golden);

/** A model ready to run, with everything a spec wants to reach. */
export interface Runner {
  readonly machine: Machine;
  readonly weights: BaichuanWeights;
  readonly kvCache: KvCache;
  /** Runs segments of ids that continue their sequences, and commits them. @returns `[rows, V]` */
  run(parts: readonly { sequence: number; ids: readonly number[] }[], tap?: Tap): Float32Array;
}

/** Loads a golden model into a kernel set, with an arena that catches the use of freed memory. */
export async function runner(
  { config, weights }: Pick<Golden, 'config' | 'weights'>,
  kernelSet: string | Kernels = 'reference',
): Promise<Runner> {
  const kernels = typeof kernelSet === 'string' ? KERNEL_SETS[kernelSet](config) : kernelSet;
  const loaded = fillWeights(config, kernels, weights);
  const { numHiddenLayers: layers, numAttentionHeads: heads, headDim } = config;
  const kvCache = new KvCache(kernels, { layers, heads, headDim, contextLength: 4096 });
  const machine = { config, kernels, kvCache };
  const run: Runner['run'] = (parts, tap) => {
    let start = 0;
    const segments: Segment[] = parts.map(({ sequence, ids }) => {
      const segment = { sequence, start, count: ids.length, position: kvCache.length(sequence) };
      start += ids.length;
      return segment;
    });
    for (const segment of segments) kvCache.reserve(segment);
    const marks = kernels.arenas.map((arena) => arena.mark());
    const pass = { tokenIds: parts.flatMap(({ ids }) => ids), segments, logits: 'all' as const };
    const steps = forward(pass, loaded, { ...machine, tap });
    let step = steps.next();
    while (!step.done) step = steps.next();
    const logits = Float32Array.from(float32(step.value));
    kernels.arenas.forEach((arena, index) => {
      arena.release(marks[index]);
    });
    for (const segment of segments) kvCache.commit(segment);
    return logits;
  };
  return { machine, weights: loaded, kvCache, run };
}

/** A model whose every parameter is written from memory, as float32. */
export function fillWeights(
  config: BaichuanConfig,
  kernels: Kernels,
  weights: ReadonlyMap<string, OracleTensor>,
): BaichuanWeights {
  const unfilled = createWeights(config, kernels, () => 'f32');
  for (const name of parameterShapes(config).keys()) {
    const { values } = weights.get(name) as OracleTensor;
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    unfilled.write(name, 0, { dtype: 'F32', bytes });
  }
  return unfilled.weights;
}

/** One row of a batch of recorded ids. */
export function idsOf(tensor: OracleTensor | undefined, row = 0): number[] {
  const { shape, values } = tensor as OracleTensor;
  const T = shape.at(-1) as number;
  return Array.from(values.subarray(row * T, (row + 1) * T));
}

/** One row of a recorded activation, without the batch axis. */
export function recorded(golden: Golden, name: string, row = 0): Tensor {
  const {
    shape: [rows, ...shape],
    values,
  } = golden.float32.get(name) as OracleTensor;
  const length = values.length / rows;
  return tensorOf(Float32Array.from(values.subarray(row * length, (row + 1) * length)), shape);
}

/** The first layer whose every tensor is recorded. */
export function detailedLayer(golden: Golden, { weights }: Runner): DecoderLayerWeights {
  const isDetailed = ({ path }: DecoderLayerWeights) => golden.float32.has(`${path}.mlp.output`);
  return weights.layers.find(isDetailed) as DecoderLayerWeights;
}

/** The context of a layer that runs on fresh sequences of `counts` tokens, one after the other. */
export function contextOf({ machine, kvCache }: Runner, counts: number[], layer = 0): LayerContext {
  let start = 0;
  const segments = counts.map((count) => {
    const segment = { sequence: kvCache.open(), start, count, position: 0 };
    kvCache.reserve(segment);
    start += count;
    return segment;
  });
  return { ...createContext(machine, segments), layer };
}

/** The context of a layer that runs alone on `count` tokens of a fresh sequence. */
export function aloneContext(runner: Runner, count: number, layer = 0): LayerContext {
  return contextOf(runner, [count], layer);
}

/** Distance of a tensor from a recorded one, relative to the largest recorded magnitude. */
export function distanceFrom(golden: Golden, name: string, found: Tensor): number {
  const expected = recorded(golden, name);
  const values = { shape: found.shape, values: float32(found) };
  return difference({ shape: expected.shape, values: float32(expected) }, values).relative;
}

/** Distance of a layer that computes from the recorded input: rounding of one layer only. */
export const ALONE_BAR = 2e-6;

/** Every golden model with a runner in every kernel set. */
export const GOLDEN_RUNNERS = await Promise.all(
  Object.keys(KERNEL_SETS).flatMap((kernelSet) =>
    GOLDENS.map(async (golden) => {
      const title = `${golden.name}, ${kernelSet} kernels`;
      return { golden, title, runner: await runner(golden, kernelSet) };
    }),
  ),
);
