/** Known bugs of attention in both families: W_pack, scale, mask, softmax, cache, heads. */

import { exp } from '../../math/index.ts';
import { float32, type Tensor, tensorOf } from '../../tensor/tensor.ts';
import { MASKED_BELOW } from '../../verify/statistics.ts';
import type { HeadShape, ScoreOptions } from '../attention-parts.ts';
import type { ReferenceSetup } from '../stage.ts';
import {
  type KnownBug,
  permuteTensor,
  withAttention,
  withKernels,
  withLinear,
} from './known-bug.ts';
import { roundBf16, roundF16 } from './rounding.ts';

function scoresBug(
  name: string,
  summary: string,
  change: (options: ScoreOptions, setup: ReferenceSetup) => Partial<ScoreOptions>,
): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withAttention(setup, ({ scores }) => ({
        scores: (q, k, options) => scores(q, k, { ...options, ...change(options, setup) }),
      })),
  };
}

function probsBug(
  name: string,
  summary: string,
  change: (probs: Float32Array, shape: HeadShape) => Float32Array,
): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withAttention(setup, ({ probs }) => ({
        probs: (scores, shape) => change(probs(scores, shape), shape),
      })),
  };
}

/** Queries, keys and values taken from other blocks of W_pack's output. */
function blocksBug(name: string, summary: string, order: readonly number[]): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withKernels(setup, (kernels) => ({
        columns: (x, start, count) => kernels.columns(x, order[start / count] * count, count),
      })),
  };
}

/** Row t of keys and values as attention sees them, from row `source(t)`. */
function cacheBug(
  name: string,
  summary: string,
  source: (t: number, T: number) => number,
): KnownBug {
  const moved = (x: Float32Array, { T, H, D }: HeadShape) =>
    x.map((_, i) => x[source(Math.floor(i / (H * D)), T) * H * D + (i % (H * D))]);
  return {
    name,
    summary,
    change: (setup) =>
      withAttention(setup, ({ scores, values }) => ({
        scores: (q, k, options) => scores(q, moved(k, options), options),
        values: (probs, v, shape) => values(probs, moved(v, shape), shape),
      })),
  };
}

function round(change: (x: number) => number): (x: Float32Array) => Float32Array {
  return (x) => x.map((value) => (value < MASKED_BELOW ? value : change(value)));
}

/** `[T, H, D]` read as if heads came first: element (h, t) of `[H, T, D]`. */
function headsFirst(y: Float32Array, { T, H, D }: HeadShape): Float32Array {
  return y.map((_, i) => {
    const [row, channel] = [Math.floor(i / D), i % D];
    const [h, t] = [Math.floor(row / T), row % T];
    return y[(t * H + h) * D + channel];
  });
}

/** A cache grows in blocks of so many rows, and has zeros in those that are not written yet. */
const CACHE_BLOCK = 32;

/** Probabilities where the unwritten rows of the last block are seen too. Their scores are 0:
 *
 *      prob = e^(score − max) / (Σ e^(score − max) + n · e^(−max)),
 *      Σ e^(score − max) = 1 / (the greatest prob without them) */
function withZeroKeys(probs: Float32Array, scores: Float32Array, { T }: HeadShape): Float32Array {
  const unwritten = CACHE_BLOCK - (T % CACHE_BLOCK);
  const shares = new Float64Array(probs.length / T);
  for (let row = 0; row < shares.length; row++) {
    let [max, maxProb] = [Number.NEGATIVE_INFINITY, 0];
    for (let i = row * T; i < (row + 1) * T; i++) {
      max = Math.max(max, scores[i]);
      maxProb = Math.max(maxProb, probs[i]);
    }
    shares[row] = 1 / (1 + maxProb * unwritten * exp(-max));
  }
  return probs.map((prob, i) => prob * shares[Math.floor(i / T)]);
}

function perHead(x: Tensor, block: number, { H, D }: { H: number; D: number }): Tensor {
  const C = H * D;
  const [source, rows] = [float32(x), x.shape[0]];
  const y = Float32Array.from({ length: rows * C }, (_, i) => {
    const [t, h, d] = [Math.floor(i / C), Math.floor((i % C) / D), i % D];
    return source[t * 3 * C + (h * 3 + block) * D + d];
  });
  return tensorOf(y, [rows, C]);
}

export const ATTENTION_BUGS: readonly KnownBug[] = [
  blocksBug(
    'w-pack-order-kqv',
    'The packed projection is split as k, q, v instead of q, k, v.',
    [1, 0, 2],
  ),
  blocksBug(
    'w-pack-order-qvk',
    'The packed projection is split as q, v, k instead of q, k, v.',
    [0, 2, 1],
  ),
  blocksBug(
    'w-pack-order-vkq',
    'The packed projection is split as v, k, q instead of q, k, v.',
    [2, 1, 0],
  ),
  {
    name: 'w-pack-per-head',
    summary: 'The packed projection is split head by head into q, k, v, not in three blocks.',
    change: (setup) => {
      const { numAttentionHeads: H, headDim: D } = setup.config;
      return withKernels(setup, () => ({
        columns: (x, start, count) => perHead(x, start / count, { H, D }),
      }));
    },
  },
  {
    name: 'q-k-permuted',
    summary: 'Rows of queries and keys are in GGUF order: its permutation was not undone.',
    change: (setup) => {
      const { hiddenSize: C, headDim: D } = setup.config;
      // Row 2i + j of a permuted head is row j · D/2 + i of the published one.
      const source = (row: number) => {
        const [head, i] = [Math.floor(row / D) * D, row % D];
        return head + (i % 2) * (D / 2) + Math.floor(i / 2);
      };
      return withLinear(setup, ['wPack'], (x, weight, kernels) =>
        permuteTensor(kernels.linear(x, weight), (index) => {
          const column = index % (3 * C);
          return column >= 2 * C || D % 2 === 1 ? index : index - column + source(column);
        }),
      );
    },
  },
  scoresBug('scale-missing', 'Scores are not divided by √D.', () => ({ scale: 1 })),
  scoresBug('scale-hidden-size', 'Scores are divided by √hidden size.', (_, { config }) => ({
    scale: 1 / Math.sqrt(config.hiddenSize),
  })),
  scoresBug('scale-twice', 'Scores are divided by √D twice.', ({ D }) => ({ scale: 1 / D })),
  scoresBug('mask-missing', 'There is no causal mask: queries see later keys.', () => ({
    sees: () => true,
  })),
  scoresBug('mask-sees-next', 'The causal mask is off by one: queries see the next key.', () => ({
    sees: (t, s) => s <= t + 1,
  })),
  scoresBug(
    'mask-hides-own',
    'The causal mask is off by one: queries do not see their own key, but for the first.',
    () => ({ sees: (t, s) => s < t || (t === 0 && s === 0) }),
  ),
  scoresBug(
    'mask-hides-first',
    'The first key is hidden from later queries: an attention mask that is off by one.',
    () => ({ sees: (t, s) => s <= t && (s > 0 || t === 0) }),
  ),
  {
    name: 'mask-multiplied',
    summary: 'Masked scores are 0 instead of −∞: the mask is multiplied instead of added.',
    change: (setup) =>
      withAttention(setup, ({ scores }) => ({
        scores: (q, k, options) =>
          scores(q, k, options).map((score) => (score < MASKED_BELOW ? 0 : score)),
      })),
  },
  {
    name: 'padding-visible',
    summary: `Padding is not masked: queries see the zeros that fill up ${CACHE_BLOCK} cache rows.`,
    change: (setup) =>
      withAttention(setup, ({ probs }) => ({
        probs: (scores, shape) => withZeroKeys(probs(scores, shape), scores, shape),
      })),
  },
  scoresBug('sliding-window', 'Queries see the last 8 keys only: a sliding window.', () => ({
    sees: (t, s) => s <= t && s > t - 8,
  })),
  cacheBug(
    'cache-off-by-one',
    'Keys and values are read one position late: the cache is off by one.',
    (t) => Math.max(0, t - 1),
  ),
  cacheBug('cache-reversed', 'Keys and values lie in the cache in reverse.', (t, T) => T - 1 - t),
  probsBug('softmax-f16', 'Probabilities are rounded to float16.', round(roundF16)),
  probsBug('softmax-bf16', 'Probabilities are rounded to bfloat16.', round(roundBf16)),
  probsBug(
    'softmax-off-by-one',
    'The denominator of softmax has one more term, 1: "softmax1" or an attention sink.',
    (probs, { T }) => {
      const sums = new Float64Array(probs.length / T);
      // With exponentials relative to the maximum, a term of 1 stands for a score at the maximum.
      for (let row = 0; row < sums.length; row++) {
        let max = 0;
        for (let s = 0; s < T; s++) max = Math.max(max, probs[row * T + s]);
        sums[row] = 1 + max;
      }
      return probs.map((prob, i) => prob / sums[Math.floor(i / T)]);
    },
  ),
  {
    name: 'scores-bf16',
    summary: 'Scores are rounded to bfloat16 before softmax.',
    change: (setup) =>
      withAttention(setup, ({ scores }) => ({
        scores: (q, k, options) => round(roundBf16)(scores(q, k, options)),
      })),
  },
  {
    name: 'heads-not-transposed',
    summary: 'What the heads found is joined as [H, T, D] instead of [T, H, D] before o_proj.',
    change: (setup) =>
      withAttention(setup, ({ values }) => ({
        values: (probs, v, shape) => headsFirst(values(probs, v, shape), shape),
      })),
  },
];
