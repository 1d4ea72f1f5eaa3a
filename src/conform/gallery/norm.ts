/** Known bugs of norms and of the residual stream. */

import { float32, type Tensor, tensorOf } from '../../tensor/tensor.ts';
import { type KnownBug, mapTensor, withKernels } from './known-bug.ts';
import { roundBf16, roundF16 } from './rounding.ts';

type Norm = (
  row: Float32Array,
  weight: Float32Array,
  eps: number,
) => (x: number, c: number) => number;

/** Every norm computed row by row with another formula. */
function normBug(name: string, summary: string, norm: Norm): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withKernels(setup, () => ({
        rmsNorm: (x, weight, eps) => {
          const [rows, C] = x.shape;
          const y = new Float32Array(rows * C);
          for (let t = 0; t < rows; t++) {
            const row = float32(x).subarray(t * C, (t + 1) * C);
            y.set(row.map(norm(row, float32(weight), eps)), t * C);
          }
          return tensorOf(y, [rows, C]);
        },
      })),
  };
}

function meanSquare(row: Float32Array): number {
  return row.reduce((sum, x) => sum + x * x, 0) / row.length;
}

/** RMSNorm with one change. */
function rootMeanSquare(change: {
  eps?: number;
  weight?: (w: number) => number;
  outside?: boolean;
}): Norm {
  const { weight: weigh = (w: number) => w, outside = false } = change;
  return (row, weight, eps) => {
    const chosen = change.eps ?? eps;
    const squares = meanSquare(row);
    const inverse = outside ? 1 / (Math.sqrt(squares) + chosen) : 1 / Math.sqrt(squares + chosen);
    return (x, c) => x * inverse * weigh(weight[c]);
  };
}

/** One norm is left out: the first or second of every layer, or the last of all. */
function skippedNorm(name: string, summary: string, skipped: 0 | 1 | 'last'): KnownBug {
  return {
    name,
    summary,
    change: (setup) => {
      const isHead = setup.weights.layers.length === 0;
      let calls = 0;
      return withKernels(setup, (kernels) => ({
        rmsNorm: (x, weight, eps) => {
          const isSkipped = isHead ? skipped === 'last' : calls++ === skipped;
          return isSkipped ? mapTensor(x, (value) => value) : kernels.rmsNorm(x, weight, eps);
        },
      }));
    },
  };
}

/** Another sum in place of a residual connection; `index` 0 is that of attention. */
function residualBug(
  name: string,
  summary: string,
  sum: (x: Float32Array, y: Float32Array, normalized: Float32Array, index: number) => Float32Array,
): KnownBug {
  return {
    name,
    summary,
    change: (setup) => {
      let calls = 0;
      let normalized = new Float32Array(0);
      return withKernels(setup, (kernels) => ({
        rmsNorm: (x, weight, eps) => {
          const y = kernels.rmsNorm(x, weight, eps);
          normalized = Float32Array.from(float32(y));
          return y;
        },
        add: (x, y, target) => {
          float32(target).set(sum(float32(x), float32(y), normalized, calls++));
        },
      }));
    },
  };
}

function rounded(round: (x: number) => number) {
  return (x: Float32Array, y: Float32Array) => x.map((value, i) => round(value + y[i]));
}

export const NORM_BUGS: readonly KnownBug[] = [
  normBug(
    'norm-eps-1e-5',
    'The norms use eps 1e-5 instead of 1e-6.',
    rootMeanSquare({ eps: 1e-5 }),
  ),
  normBug(
    'norm-eps-1e-8',
    'The norms use eps 1e-8 instead of 1e-6.',
    rootMeanSquare({ eps: 1e-8 }),
  ),
  normBug(
    'norm-eps-outside-root',
    'eps is added to the root mean square instead of under the root.',
    rootMeanSquare({ outside: true }),
  ),
  normBug(
    'norm-weight-missing',
    'The weights of the norms are not applied.',
    rootMeanSquare({ weight: () => 1 }),
  ),
  normBug(
    'norm-weight-plus-one',
    'The norms multiply by 1 + weight, as another family does.',
    rootMeanSquare({ weight: (w) => 1 + w }),
  ),
  normBug('norm-layer', 'LayerNorm is used: the mean is subtracted.', (row, weight, eps) => {
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
    const inverse = 1 / Math.sqrt(meanSquare(row.map((x) => x - mean)) + eps);
    return (x, c) => (x - mean) * inverse * weight[c];
  }),
  normBug(
    'norm-sum',
    'The norms divide by the root of the sum of squares, not of their mean.',
    (row, weight, eps) => {
      const inverse = 1 / Math.sqrt(meanSquare(row) * row.length + eps);
      return (x, c) => x * inverse * weight[c];
    },
  ),
  normBug('norm-bf16', 'The norms round their result to bfloat16.', (row, weight, eps) => {
    const norm = rootMeanSquare({})(row, weight, eps);
    return (x, c) => roundBf16(norm(x, c));
  }),
  skippedNorm('input-norm-missing', 'The norm before attention is left out.', 0),
  skippedNorm('post-attention-norm-missing', 'The norm before the feed-forward is left out.', 1),
  skippedNorm('final-norm-missing', 'The last norm, before the head, is left out.', 'last'),
  {
    name: 'norms-swapped',
    summary: 'The weights of the two norms of a layer are exchanged.',
    change: (setup) => {
      const layers = setup.weights.layers.map((layer) => ({
        ...layer,
        inputLayernorm: { ...layer.inputLayernorm, weight: layer.postAttentionLayernorm.weight },
        postAttentionLayernorm: {
          ...layer.postAttentionLayernorm,
          weight: layer.inputLayernorm.weight,
        },
      }));
      return { ...setup, weights: { ...setup.weights, layers } };
    },
  },
  residualBug(
    'residual-missing',
    'Nothing is added to the residual stream: each branch replaces it.',
    (_x, y) => Float32Array.from(y),
  ),
  residualBug(
    'residual-after-norm',
    'The residual is taken after the norm instead of before it.',
    (_x, y, normalized) => normalized.map((value, i) => value + y[i]),
  ),
  residualBug('residual-bf16', 'The residual stream is kept as bfloat16.', rounded(roundBf16)),
  residualBug('residual-f16', 'The residual stream is kept as float16.', rounded(roundF16)),
  {
    name: 'branches-parallel',
    summary: 'The feed-forward reads what attention reads instead of what attention leaves.',
    change: (setup) => {
      let first: Tensor | undefined;
      return withKernels(setup, (kernels) => ({
        rmsNorm: (x, weight, eps) => {
          const source = first ?? x;
          first = mapTensor(x, (value) => value);
          return kernels.rmsNorm(source, weight, eps);
        },
      }));
    },
  },
];
