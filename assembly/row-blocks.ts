/** Row blocks of a packed weight: eight output rows are the lanes of two vectors. */

/** Rows of a block. */
export const ROWS: usize = 8;

/** Stores the first `count` of eight rows (all of them when there are more).
 *  @param yPtr the first row of one token (overwritten) @param low rows 0…3 @param high rows 4…7 */
@inline
export function storeRows(yPtr: usize, low: v128, high: v128, count: usize): void {
  if (count >= ROWS) {
    v128.store(yPtr, low);
    v128.store(yPtr, high, 16);
    return;
  }
  if (count >= 4) {
    v128.store(yPtr, low);
    yPtr += 16;
    count -= 4;
    low = high;
  }
  if (count >= 1) v128.store32_lane(yPtr, low, 0);
  if (count >= 2) v128.store32_lane(yPtr, low, 1, 4);
  if (count >= 3) v128.store32_lane(yPtr, low, 2, 8);
}
