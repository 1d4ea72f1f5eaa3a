/** Causal attention over the cache, head by head:
 *
 *      score[t, s] = q[t] · k[s] · scale + slope · s     for s ≤ position + t, else masked
 *      prob[t, s]  = e^(score − max) / Σ e^(score − max)
 *      y[t]        = Σ_s prob[t, s] · v[s]
 *
 *  The ALiBi bias is slope · key index, as published: softmax makes it equal to the distance form
 *  of the paper ("Train Short, Test Long", Press et al. 2021), raw scores it does not. Rotary
 *  models have no bias. Everything runs in float64 and rounds once, at the store: the bias of a far
 *  key, exact there, is too large for the last bits of a float32 (2⁻¹³ at position 4095), and its
 *  rounding would reach the probabilities.
 *  Channels and positions are summed in ascending order, one query at a time, so the other queries
 *  of a pass cannot change a bit. */

import { exp } from '../../math/index.ts';
import { BLOCK_POSITIONS, MASKED_SCORE } from '../kernels.ts';

/** One layer's keys and values by blocks of 64 positions, each block `[H, 64, D]`. */
export interface CachedKeyValues {
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
}

/** The sizes and constants of one call. */
export interface AttentionShape {
  readonly H: number;
  readonly D: number;
  /** Positions before the first query. */
  readonly position: number;
  /** Queries. */
  readonly count: number;
  readonly scale: number;
  readonly slopes: Float32Array | null;
}

/** Attention of the heads `headStart` to `headEnd`.
 *  @param y `[T, H, D]` (overwritten in those heads) @param q `[T, H, D]` @param cache keys and
 *  values
 *  @param observe scores and probabilities `[H, T, S]` (overwritten in those heads), or nulls */
export function attention(
  y: Float32Array,
  q: Float32Array,
  cache: CachedKeyValues,
  shape: AttentionShape,
  observe: { readonly scores: Float32Array | null; readonly probs: Float32Array | null },
  headStart: number,
  headEnd: number,
): void {
  const { H, D, position, count } = shape;
  const S = position + count;
  const scores = new Float64Array(S);
  const probs = new Float64Array(S);
  for (let h = headStart; h < headEnd; h++) {
    for (let t = 0; t < count; t++) {
      const visible = position + t + 1;
      const row = (t * H + h) * D;
      scoreKeys(scores, q.subarray(row, row + D), cache.keys, shape, h, visible);
      softmax(probs, scores, visible);
      weighValues(y.subarray(row, row + D), probs, cache.values, h, visible);
      const at = (h * count + t) * S;
      observe.scores?.set(scores.fill(MASKED_SCORE, visible), at);
      observe.probs?.set(probs.fill(0, visible), at);
    }
  }
}

/** scores[s] = q · k[s] · scale + slope · s for s < visible. */
function scoreKeys(
  scores: Float64Array,
  q: Float32Array,
  keys: readonly Float32Array[],
  { D, scale, slopes }: AttentionShape,
  h: number,
  visible: number,
): void {
  for (let s = 0; s < visible; s++) {
    const key = keys[Math.floor(s / BLOCK_POSITIONS)];
    const row = (h * BLOCK_POSITIONS + (s % BLOCK_POSITIONS)) * D;
    let dot = 0;
    for (let i = 0; i < D; i++) dot += q[i] * key[row + i];
    const bias = slopes === null ? 0 : slopes[h] * s;
    scores[s] = dot * scale + bias;
  }
}

/** probs[s] = e^(scores[s] − max) / Σ, for s < visible. */
function softmax(probs: Float64Array, scores: Float64Array, visible: number): void {
  let max = Number.NEGATIVE_INFINITY;
  for (let s = 0; s < visible; s++) max = Math.max(max, scores[s]);
  let sum = 0;
  for (let s = 0; s < visible; s++) {
    probs[s] = exp(scores[s] - max);
    sum += probs[s];
  }
  for (let s = 0; s < visible; s++) probs[s] /= sum;
}

/** y[i] = Σ_s probs[s] · v[s, i]. */
function weighValues(
  y: Float32Array,
  probs: Float64Array,
  values: readonly Float32Array[],
  h: number,
  visible: number,
): void {
  const D = y.length;
  const sums = new Float64Array(D);
  for (let s = 0; s < visible; s++) {
    const value = values[Math.floor(s / BLOCK_POSITIONS)];
    const row = (h * BLOCK_POSITIONS + (s % BLOCK_POSITIONS)) * D;
    for (let i = 0; i < D; i++) sums[i] += probs[s] * value[row + i];
  }
  y.set(sums);
}
