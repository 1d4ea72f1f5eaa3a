/** Attention taken apart into its three equations, so that each can be judged from the recorded
 *  input of its own, and changed by itself:
 *
 *      score[h, t, s] = q[t, h] · k[s, h] · scale + slope_h · s      for s ≤ t, else masked
 *      prob[h, t, s]  = e^(score − max) / Σ e^(score − max)
 *      y[t, h]        = Σ_s prob[h, t, s] · v[s, h]
 *
 *  For one prompt from position 0. Sums run in float64 and round at each store, as a trace shows
 *  them; `spec/conform/attention-parts.spec.ts` holds the whole to the reference kernel. */

import { MASKED_SCORE } from '../kernels/kernels.ts';
import { exp } from '../math/index.ts';
import { MASKED_BELOW } from '../verify/statistics.ts';

export interface HeadShape {
  readonly T: number;
  readonly H: number;
  readonly D: number;
}

export interface ScoreOptions extends HeadShape {
  readonly scale: number;
  /** `[H]`, or null for rotary positions. */
  readonly slopes: Float32Array | null;
  /** Whether query t sees key s. */
  sees(t: number, s: number): boolean;
  /** What is added to a score: the bias of head h for query t and key s. */
  bias(slope: number, t: number, s: number): number;
}

/** What a query sees and what is added, as published. */
export const PUBLISHED_SCORES: Pick<ScoreOptions, 'sees' | 'bias'> = {
  sees: (t, s) => s <= t,
  bias: (slope, _t, s) => Math.fround(slope * s),
};

/** Scores of every pair. @param q,k `[T, H, D]` @returns `[H, T, S]` */
export function attentionScores(
  q: Float32Array,
  k: Float32Array,
  options: ScoreOptions,
): Float32Array {
  const { T, H, D, scale, slopes, sees, bias } = options;
  const scores = new Float32Array(H * T * T).fill(MASKED_SCORE);
  for (let row = 0; row < H * T; row++) {
    const [h, t] = [Math.floor(row / T), row % T];
    for (let s = 0; s < T; s++) {
      if (!sees(t, s)) continue;
      const [query, key] = [(t * H + h) * D, (s * H + h) * D];
      let dot = 0;
      for (let i = 0; i < D; i++) dot += q[query + i] * k[key + i];
      scores[row * T + s] = dot * scale + (slopes === null ? 0 : bias(slopes[h], t, s));
    }
  }
  return scores;
}

/** Softmax of every row. @param scores `[H, T, S]` @returns `[H, T, S]` */
export function attentionProbs(scores: Float32Array, { T, H }: HeadShape): Float32Array {
  const probs = new Float32Array(scores.length);
  const exponentials = new Float64Array(T);
  for (let row = 0; row < H * T; row++) {
    const values = scores.subarray(row * T, (row + 1) * T);
    let max = Number.NEGATIVE_INFINITY;
    for (let s = 0; s < T; s++) max = Math.max(max, values[s]);
    let sum = 0;
    for (let s = 0; s < T; s++) {
      exponentials[s] = values[s] < MASKED_BELOW ? 0 : exp(values[s] - max);
      sum += exponentials[s];
    }
    for (let s = 0; s < T; s++) probs[row * T + s] = exponentials[s] / sum;
  }
  return probs;
}

/** Values weighed by probabilities. @param probs `[H, T, S]` @param v `[T, H, D]`
 *  @returns `[T, H, D]` */
export function attentionValues(
  probs: Float32Array,
  v: Float32Array,
  { T, H, D }: HeadShape,
): Float32Array {
  const y = new Float32Array(T * H * D);
  const sums = new Float64Array(D);
  for (let row = 0; row < H * T; row++) {
    const [h, t] = [Math.floor(row / T), row % T];
    sums.fill(0);
    for (let s = 0; s < T; s++) {
      const prob = probs[row * T + s];
      if (prob === 0) continue;
      const value = (s * H + h) * D;
      for (let i = 0; i < D; i++) sums[i] += prob * v[value + i];
    }
    y.set(sums, (t * H + h) * D);
  }
  return y;
}
