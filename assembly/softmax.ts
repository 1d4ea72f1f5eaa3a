/** Softmax of rows: y[t, i] = e^(x[t, i] − max) / Σᵢ e^(x[t, i] − max).
 *
 *  Three passes over a row: the maximum of all of it; the exponentials and their sum; the
 *  quotients. The sum runs in float64 over the lanes i mod 4, which are added in one order at the
 *  end, (0 + 1) + (2 + 3), so that a bit of y depends on nothing but its row:
 *
 *      x   | x0 x1 x2 x3 | x4 x5 x6 x7 | x8 …
 *      sum   s0 s1 s2 s3   s0 s1 s2 s3   s0
 *
 *  Remainder: the last quad is filled up with −∞, whose exponentials are 0 and are not stored.
 *  Error: |y| is off by at most 2⁻²² · y + 2⁻²⁴ · (max − x) · y, below 2e-7. A row that holds NaN
 *  or +∞ becomes NaN. */

import { divideRow, expRow, maxRow } from './softmax-row';

/** Rows `rowStart` to `rowEnd`; y may be x.
 *  @param yPtr `[T, C]` (overwritten in those rows) @param xPtr `[T, C]` */
export function softmax(
  yPtr: usize,
  xPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const x = xPtr + t * C * 4;
    const y = yPtr + t * C * 4;
    const sum = expRow(y, x, C, maxRow(x, C));
    divideRow(y, y, C, <f32>sum);
  }
}
