/** Matrix product with a transposed weight: y[t, o] = Σᵢ x[t, i] · weight[o, i].
 *
 *  The sum runs in float64, in ascending i, and rounds once, at the store: this is the accuracy
 *  reference of the fast kernels. A row of y depends on its row of x alone, in a fixed order, so
 *  chunks and batches cannot change a bit. */

/** Rows `rowStart` to `rowEnd` of the weight, that is, those columns of y.
 *  @param y `[T, outFeatures]` (overwritten in those columns) @param x `[T, inFeatures]`
 *  @param weight `[outFeatures, inFeatures]` */
export function matmul(
  y: Float32Array,
  x: Float32Array,
  weight: Float32Array,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = 0; t < T; t++) {
    const xRow = t * inFeatures;
    for (let o = rowStart; o < rowEnd; o++) {
      const weightRow = o * inFeatures;
      let sum = 0;
      for (let i = 0; i < inFeatures; i++) sum += x[xRow + i] * weight[weightRow + i];
      y[t * outFeatures + o] = sum;
    }
  }
}
