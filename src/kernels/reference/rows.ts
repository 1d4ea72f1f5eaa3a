/** Cutting columns out of rows, and adding: no arithmetic but one float32 addition per element. */

/** Columns `start` to `start + count` of the rows `rowStart` to `rowEnd`.
 *  @param y `[T, count]` (overwritten in those rows) @param x `[T, C]` */
export function columns(
  y: Float32Array,
  x: Float32Array,
  start: number,
  count: number,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    y.set(x.subarray(t * C + start, t * C + start + count), t * count);
  }
}

/** target[i] = x[i] + y[i] for `start` ≤ i < `end`.
 *  @param target (overwritten), may be x or y */
export function add(
  target: Float32Array,
  x: Float32Array,
  y: Float32Array,
  start: number,
  end: number,
): void {
  for (let i = start; i < end; i++) target[i] = x[i] + y[i];
}
