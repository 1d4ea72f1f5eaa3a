/** Moving rows and columns, and adding: no arithmetic but one float32 addition per element. */

/** y[t] = table[rows[t]].
 *  @param y `[rows.length, C]` (overwritten) @param table `[R, C]` @param rows each in 0 … R − 1 */
export function gatherRows(
  y: Float32Array,
  table: Float32Array,
  rows: readonly number[],
  C: number,
): void {
  for (let t = 0; t < rows.length; t++) {
    y.set(table.subarray(rows[t] * C, (rows[t] + 1) * C), t * C);
  }
}

/** Columns `start` to `start + count` of every row.
 *  @param y `[T, count]` (overwritten) @param x `[T, C]` */
export function columns(
  y: Float32Array,
  x: Float32Array,
  start: number,
  count: number,
  T: number,
  C: number,
): void {
  for (let t = 0; t < T; t++) {
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
