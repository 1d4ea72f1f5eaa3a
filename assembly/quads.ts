/** Quads: what the packed layouts are made of. Four neighbouring elements of a row lie together as
 *  four bytes, those of the next row behind them:
 *
 *      ptr | row 0: k k+1 k+2 k+3 | row 1: … | … | row 7: … |   32 bytes on the same with k + 4 */

/** Up to four numbers, completed with zeros.
 *  @param count how many; 0 or less for none, more than 4 for 4 */
@inline
export function loadSome(xPtr: usize, count: isize): v128 {
  if (count >= 4) return v128.load(xPtr);
  let x = f32x4.splat(0);
  if (count > 0) x = f32x4.replace_lane(x, 0, load<f32>(xPtr));
  if (count > 1) x = f32x4.replace_lane(x, 1, load<f32>(xPtr, 4));
  if (count > 2) x = f32x4.replace_lane(x, 2, load<f32>(xPtr, 8));
  return x;
}

/** Sixteen int32 within −128 … 127 as bytes, in order. */
@inline
export function packQuads(q0: v128, q1: v128, q2: v128, q3: v128): v128 {
  const low = i16x8.narrow_i32x4_s(q0, q1);
  return i8x16.narrow_i16x8_s(low, i16x8.narrow_i32x4_s(q2, q3));
}

/** Bytes of q + 8: elements 0 … 15 in the low halves, 16 … 31 in the high ones.
 *  @param low,high sixteen int8 each, −8 … 7 */
@inline
export function packNibbles(low: v128, high: v128): v128 {
  const eight = i8x16.splat(8);
  // No bit crosses a byte: q + 8 is at most 15.
  return v128.or(i8x16.add(low, eight), i16x8.shl(i8x16.add(high, eight), 4));
}

/** Stores four times four bytes, `stride` apart. */
@inline
export function storeQuads(ptr: usize, stride: usize, bytes: v128): void {
  v128.store32_lane(ptr, bytes, 0);
  v128.store32_lane(ptr + stride, bytes, 1);
  v128.store32_lane(ptr + 2 * stride, bytes, 2);
  v128.store32_lane(ptr + 3 * stride, bytes, 3);
}
