/** Softmax of rows: y[t, i] = e^(x[t, i] − max) / Σᵢ e^(x[t, i] − max), in float64 up to the
 *  store. */

import { exp } from '../../math/index.ts';

/** Rows `rowStart` to `rowEnd`.
 *  @param y `[T, C]` (overwritten in those rows), may be x @param x `[T, C]` */
export function softmax(
  y: Float32Array,
  x: Float32Array,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const row = Float64Array.from(x.subarray(t * C, (t + 1) * C));
    const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const weights = row.map((value) => exp(value - max));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    y.set(
      weights.map((weight) => weight / sum),
      t * C,
    );
  }
}
