/** The whole model: token ids → logits. The same in 7B and 13B, which differ in position encoding
 *  only (7B: rope.ts, 13B: alibi.ts):
 *
 *      x = embedding(ids);   x = layer(x) for every layer;   logits = head(norm(x))
 *
 *  Source: baichuan-inc/Baichuan-7B and Baichuan-13B-Base, modeling_baichuan.py, classes
 *  BaiChuanForCausalLM and BaichuanForCausalLM. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { LayerContext, Segment, Tap } from '../layers/context.ts';
import { decoderLayer } from '../layers/decoder-layer.ts';
import { embedding } from '../layers/embedding.ts';
import type { KvCache } from '../layers/kv-cache.ts';
import { lmHead } from '../layers/lm-head.ts';
import { rmsNorm } from '../layers/rms-norm.ts';
import { rotaryTables } from '../layers/rope.ts';
import type { Arena } from '../tensor/arena.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { BaichuanWeights } from './weights.ts';

/** The tokens that go through the model together. */
export interface Pass {
  /** T ids, those of one segment after the other. */
  readonly tokenIds: readonly number[];
  readonly segments: readonly Segment[];
  /** Logits of every row, or of the last row of every segment. */
  readonly logits: 'all' | 'last';
}

export interface Machine {
  readonly config: BaichuanConfig;
  readonly kernels: Kernels;
  readonly arena: Arena;
  readonly kvCache: KvCache;
  readonly tap?: Tap | undefined;
}

/** The context of a pass's layers, the first of which it names. */
export function createContext(machine: Machine, segments: readonly Segment[]): LayerContext {
  const { position, headDim, ropeTheta } = machine.config;
  const rotary = position === 'rope' ? rotaryTables(segments, headDim, ropeTheta) : null;
  return { ...machine, segments, layer: 0, rotary };
}

/** Runs a pass, yielding after every layer so that the caller may pause or stop between them.
 *  The segments' positions must be reserved in the cache; the caller commits them.
 *  @returns logits `[rows, V]`, in memory of the arena */
export function* forward(
  pass: Pass,
  weights: BaichuanWeights,
  machine: Machine,
): Generator<number, Tensor> {
  const context = createContext(machine, pass.segments);
  const { kernels, arena, config } = machine;

  let x = embedding(pass.tokenIds, weights.embedTokens, context);
  let spare = arena.allocate([pass.tokenIds.length, config.hiddenSize]);
  for (const [layer, layerWeights] of weights.layers.entries()) {
    decoderLayer(x, layerWeights, { ...context, layer }, spare);
    [x, spare] = [spare, x];
    yield layer;
  }

  const normalized = rmsNorm(x, weights.norm, context);
  const lastRows = pass.segments.map(({ start, count }) => start + count - 1);
  const rows = pass.logits === 'all' ? normalized : kernels.gatherRows(normalized, lastRows);
  return lmHead(rows, weights.lmHead, context);
}
