/** Adding and cutting rows: target[i] = x[i] + y[i], and y[t, i] = x[t, start + i].
 *
 *      x of one row  | … | start … start + count | … |     C elements
 *      y of one row      | 0 …             count |
 *
 *  Lanes of the addition: four elements a step. Remainder: one a step. Columns are copied as
 *  bytes. Error: none, one float32 addition. */

/** target[i] = x[i] + y[i] for `start` ≤ i < `end`.
 *  @param targetPtr (overwritten), may be x or y */
export function add(
  targetPtr: usize,
  xPtr: usize,
  yPtr: usize,
  start: usize,
  end: usize,
): void {
  const vectorEnd = (start + ((end - start) & ~3)) * 4;
  let i = start * 4;
  for (; i < vectorEnd; i += 16) {
    v128.store(targetPtr + i, f32x4.add(v128.load(xPtr + i), v128.load(yPtr + i)));
  }
  for (; i < end * 4; i += 4) {
    store<f32>(targetPtr + i, load<f32>(xPtr + i) + load<f32>(yPtr + i));
  }
}

/** Columns `start` to `start + count` of the rows `rowStart` to `rowEnd`.
 *  @param yPtr `[T, count]` (overwritten in those rows) @param xPtr `[T, C]` */
export function columns(
  yPtr: usize,
  xPtr: usize,
  start: usize,
  count: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    memory.copy(yPtr + t * count * 4, xPtr + (t * C + start) * 4, count * 4);
  }
}
