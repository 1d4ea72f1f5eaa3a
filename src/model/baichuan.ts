/** The whole model: token ids → logits. The same in 7B and 13B, which differ in position encoding
 *  only (7B: rope.ts, 13B: alibi.ts):
 *
 *      x = embedding(ids);   x = layer(x) for every layer;   logits = head(norm(x))
 *
 *  The weights may lie in several memories; where the next layer lies in another one, the residual
 *  stream moves there, and nothing else does.
 *  Source: baichuan-inc/Baichuan-7B and Baichuan-13B-Base, modeling_baichuan.py, classes
 *  BaiChuanForCausalLM and BaichuanForCausalLM. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels, Place } from '../kernels/kernels.ts';
import type { LayerContext, Segment, Tap } from '../layers/context.ts';
import { decoderLayer } from '../layers/decoder-layer.ts';
import { embedding } from '../layers/embedding.ts';
import type { KvCache } from '../layers/kv-cache.ts';
import { lmHead } from '../layers/lm-head.ts';
import { rmsNorm } from '../layers/rms-norm.ts';
import { rotaryTables } from '../layers/rope.ts';
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
  readonly kvCache: KvCache;
  readonly tap?: Tap | undefined;
}

/** The context of a pass's first layer; `contextAt` makes the others of it. */
export function createContext(machine: Machine, segments: readonly Segment[]): LayerContext {
  const { position, headDim, ropeTheta } = machine.config;
  const rotary = position === 'rope' ? rotaryTables(segments, headDim, ropeTheta) : null;
  const arena = machine.kernels.arenaOf(0);
  return contextAt({ ...machine, arena, segments, layer: 0, rotary }, 0);
}

/** The context of another part of the model, in the memory where that lies. */
function contextAt(context: LayerContext, place: Place): LayerContext {
  const { kernels, rotary } = context;
  const arena = kernels.arenaOf(place);
  const layer = typeof place === 'number' ? place : context.layer;
  if (rotary === null || place === 'head') return { ...context, arena, layer, rotary: null };
  const moved = { cos: kernels.moveTo(arena, rotary.cos), sin: kernels.moveTo(arena, rotary.sin) };
  return { ...context, arena, layer, rotary: moved };
}

/** Runs a pass, yielding after every layer so that the caller may pause or stop between them.
 *  The segments' positions must be reserved in the cache; the caller commits them.
 *  @returns logits `[rows, V]`, in memory of an arena */
export function* forward(
  pass: Pass,
  weights: BaichuanWeights,
  machine: Machine,
): Generator<number, Tensor> {
  const { kernels } = machine;
  let context = createContext(machine, pass.segments);

  let x = embedding(pass.tokenIds, weights.embedTokens, context);
  let spare = x;
  for (const [layer, layerWeights] of weights.layers.entries()) {
    const arena = kernels.arenaOf(layer);
    if (layer === 0 || arena !== context.arena) {
      context = contextAt(context, layer);
      x = kernels.moveTo(arena, x);
      spare = arena.allocate(x.shape);
    }
    const y = decoderLayer(x, layerWeights, { ...context, layer }, spare);
    [x, spare] = [y, x];
    yield layer;
  }

  context = contextAt(context, 'head');
  const lastRows = pass.segments.map(({ start, count }) => start + count - 1);
  const normalized = rmsNorm(kernels.moveTo(context.arena, x), weights.norm, context);
  const rows = pass.logits === 'all' ? normalized : kernels.gatherRows(normalized, lastRows);
  return lmHead(rows, weights.lmHead, context);
}
