/** RMSNorm per row: y = x / √(mean(x²) + eps) · weight, in float64 up to the store. */

/** Rows `rowStart` to `rowEnd` of x.
 *  @param y `[T, C]` (overwritten in those rows) @param x `[T, C]` @param weight `[C]` */
export function rmsNorm(
  y: Float32Array,
  x: Float32Array,
  weight: Float32Array,
  eps: number,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const row = t * C;
    let squares = 0;
    for (let i = 0; i < C; i++) squares += x[row + i] * x[row + i];
    const inverseRms = 1 / Math.sqrt(squares / C + eps);
    for (let i = 0; i < C; i++) y[row + i] = x[row + i] * inverseRms * weight[i];
  }
}
