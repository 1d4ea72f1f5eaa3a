/** Known bugs of weights and of their quantization. They need the weights: without a
 *  model they change nothing and match nothing.
 *
 *  The order of int4 elements and the place of scales are shown on the weights as they are: a
 *  matrix with columns exchanged within a group computes what a wrong order of nibbles does. */

import type { LinearWeight } from '../../kernels/kernels.ts';
import type { TraceKind } from '../../model/trace-points.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import { matrixWeight, numbersOfWeight } from '../oracle-kernels.ts';
import { type KnownBug, mapTensor, permuteTensor, withLinear } from './known-bug.ts';
import { roundBf16, roundEven, roundF16 } from './rounding.ts';

/** What the published quantizer works on. */
const QUANTIZED: readonly TraceKind[] = ['wPack', 'oProj', 'gate', 'up', 'down'];

const GROUP = 32;

/** Every quantized weight changed before it is used. */
function weightBug(
  name: string,
  summary: string,
  change: (weight: Float32Array, row: { rows: number; columns: number }) => Float32Array,
): KnownBug {
  return {
    name,
    summary,
    // One changed matrix at a time: those of a layer of 13B take 1.3 GB.
    change: (setup) =>
      withLinear(setup, QUANTIZED, (x, weight, kernels) =>
        kernels.linear(x, changedWeight(weight, change)),
      ),
  };
}

function changedWeight(
  weight: LinearWeight,
  change: (weight: Float32Array, row: { rows: number; columns: number }) => Float32Array,
): LinearWeight {
  const table = numbersOfWeight(weight);
  if (table === undefined) return weight;
  const [rows, columns] = table.shape;
  const { buffer } = change(float32(table), { rows, columns });
  const numbers = { dtype: 'F32', shape: table.shape, memory: { buffer }, byteOffset: 0 } as const;
  return matrixWeight(weight.path, numbers);
}

/** Inputs taken in another order within groups, which is what exchanged elements compute. */
function orderBug(
  name: string,
  summary: string,
  source: (i: number, size: number) => number,
): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withLinear(setup, QUANTIZED, (x, weight, kernels) => {
        const columns = weight.inFeatures;
        return kernels.linear(
          permuteTensor(x, (index) => {
            const column = index % columns;
            const start = column - (column % GROUP);
            const size = Math.min(GROUP, columns - start);
            return index - column + start + source(column - start, size);
          }),
          weight,
        );
      }),
  };
}

/** Largest magnitude of every row. */
function rowMaxima(weight: Float32Array, columns: number): Float32Array {
  return Float32Array.from({ length: weight.length / columns }, (_, row) => {
    let max = 0;
    for (let i = 0; i < columns; i++) max = Math.max(max, Math.abs(weight[row * columns + i]));
    return max;
  });
}

/** The published quantizer by rows, and back. */
function byRows(weight: Float32Array, columns: number, levels: number): Float32Array {
  const maxima = rowMaxima(weight, columns);
  return weight.map((w, i) => {
    const scale = maxima[Math.floor(i / columns)] / levels;
    return scale === 0 ? 0 : roundEven(w / scale) * scale;
  });
}

export const WEIGHT_BUGS: readonly KnownBug[] = [
  weightBug('weights-bf16', 'Weights were rounded to bfloat16.', (weight) => weight.map(roundBf16)),
  weightBug('weights-f16', 'Weights were rounded to float16.', (weight) => weight.map(roundF16)),
  weightBug('weights-int8', 'Weights were quantized to 8 bits by rows.', (weight, { columns }) =>
    byRows(weight, columns, 127),
  ),
  weightBug('weights-int4', 'Weights were quantized to 4 bits by rows.', (weight, { columns }) =>
    byRows(weight, columns, 7),
  ),
  orderBug(
    'int4-nibble-order',
    'The two 4-bit elements of a byte are taken in the wrong order.',
    (i, size) => (i % 2 === 0 ? Math.min(i + 1, size - 1) : i - 1),
  ),
  orderBug(
    'int4-halves-interleaved',
    'Elements 2i and 2i + 1 are read where a block of Q4_0 has i and i + 16.',
    (i, size) => (size === GROUP ? (i % 2) * (GROUP / 2) + Math.floor(i / 2) : i),
  ),
  orderBug(
    'int4-word-reversed',
    'The eight 4-bit elements of a 32-bit word are read from its other end.',
    (i, size) => Math.min(i - (i % 8) + 7 - (i % 8), size - 1),
  ),
  weightBug(
    'scale-by-column',
    'Scales are applied along the input axis instead of the output axis.',
    (weight, { rows, columns }) => {
      const maxima = rowMaxima(weight, columns);
      return weight.map((w, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        return maxima[row] === 0 ? 0 : (w / maxima[row]) * maxima[column % rows];
      });
    },
  ),
  weightBug(
    'scale-next-row',
    'Every row has the scale of the next one.',
    (weight, { rows, columns }) => {
      const maxima = rowMaxima(weight, columns);
      return weight.map((w, i) => {
        const row = Math.floor(i / columns);
        return maxima[row] === 0 ? 0 : (w / maxima[row]) * maxima[(row + 1) % rows];
      });
    },
  ),
  weightBug(
    'scale-128',
    'Scales are taken as max / 128 where they were made as max / 127.',
    (weight) => weight.map((w) => (w * 127) / 128),
  ),
  weightBug(
    'scale-f16',
    'Scales of rows were rounded to float16 where the quantizer makes float32.',
    (weight, { columns }) => {
      const maxima = rowMaxima(weight, columns);
      return weight.map((w, i) => {
        const scale = maxima[Math.floor(i / columns)] / 127;
        return scale === 0 ? 0 : (w / scale) * roundF16(scale);
      });
    },
  ),
  weightBug('scale-8', 'Scales are taken as max / 8 where they were made as max / 7.', (weight) =>
    weight.map((w) => (w * 7) / 8),
  ),
  {
    name: 'o-proj-transposed',
    summary: 'o_proj is used as [in, out]: x · W instead of x · Wᵀ, which no shape gives away.',
    change: (setup) =>
      withLinear(setup, ['oProj'], (x, weight, kernels) => {
        const table = numbersOfWeight(weight);
        if (table === undefined) return kernels.linear(x, weight);
        return kernels.linear(x, matrixWeight(weight.path, transposed(table)));
      }),
  },
  {
    name: 'activations-bf16',
    summary: 'Linear layers round their inputs and results to bfloat16.',
    change: (setup) =>
      withLinear(setup, [...QUANTIZED, 'lmHead'], (x, weight, kernels) =>
        mapTensor(kernels.linear(mapTensor(x, roundBf16), weight), roundBf16),
      ),
  },
  {
    name: 'activations-f16',
    summary: 'Linear layers round their inputs and results to float16.',
    change: (setup) =>
      withLinear(setup, [...QUANTIZED, 'lmHead'], (x, weight, kernels) =>
        mapTensor(kernels.linear(mapTensor(x, roundF16), weight), roundF16),
      ),
  },
];

function transposed(x: Tensor): Tensor {
  const [rows, columns] = x.shape;
  const source = float32(x);
  return mapTensor(x, (_, i) => source[(i % columns) * columns + Math.floor(i / columns)] ?? rows);
}
