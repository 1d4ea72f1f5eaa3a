/** Quantizes one group of up to 32 float32 weights with a scale d that is given:
 *  q = clamp(round(w / d)). The arithmetic is that of src/quantize/grouped.ts.
 *
 *      xPtr | w0 … w3 | w4 … w7 | … | w28 … w31 |        q as bytes, four of them together
 *
 *  Lanes are elements. Remainder: a short group is completed with q = 0, and nothing past it is
 *  read. Error: none against the mirror. */

import { loadSome, packNibbles, packQuads, storeQuads } from './quads';

/** 1.5 · 2²³, where float32 numbers lie one apart: adding it rounds half to even, and the low bits
 *  of the sum hold the integer. */
const ROUNDING: f32 = 12582912.0;
const ROUNDING_BITS: i32 = 0x4b400000;

/** Four bits: byte i holds q + 8 of element i in its low half, of element i + 16 in its high half.
 *  @param valuesPtr four times four bytes, `stride` apart (overwritten)
 *  @param xPtr float32 `[count]` @param count 32 stands for all of more
 *  @param inverse 1 / d; 0 makes every q zero, and nothing is read */
export function storeInt4Group(
  valuesPtr: usize,
  stride: usize,
  xPtr: usize,
  count: isize,
  inverse: f32,
): void {
  let low = i8x16.splat(0);
  let high = i8x16.splat(0);
  if (inverse !== 0) {
    low = round16(xPtr, count, inverse, -8, 7);
    high = round16(xPtr + 64, count - 16, inverse, -8, 7);
  }
  storeQuads(valuesPtr, stride, packNibbles(low, high));
}

/** Eight bits, −127 … 127: eight times four bytes, else likewise. */
export function storeInt8Group(
  valuesPtr: usize,
  stride: usize,
  xPtr: usize,
  count: isize,
  inverse: f32,
): void {
  let low = i8x16.splat(0);
  let high = i8x16.splat(0);
  if (inverse !== 0) {
    low = round16(xPtr, count, inverse, -127, 127);
    high = round16(xPtr + 64, count - 16, inverse, -127, 127);
  }
  storeQuads(valuesPtr, stride, low);
  storeQuads(valuesPtr + 4 * stride, stride, high);
}

/** Sixteen weights as int8. @param count how many there are; the rest are zeros */
@inline
function round16(xPtr: usize, count: isize, inverse: f32, least: f32, greatest: f32): v128 {
  const factor = f32x4.splat(inverse);
  return packQuads(
    round4(loadSome(xPtr, count), factor, least, greatest),
    round4(loadSome(xPtr + 16, count - 4), factor, least, greatest),
    round4(loadSome(xPtr + 32, count - 8), factor, least, greatest),
    round4(loadSome(xPtr + 48, count - 12), factor, least, greatest),
  );
}

@inline
function round4(w: v128, inverse: v128, least: f32, greatest: f32): v128 {
  const scaled = f32x4.mul(w, inverse);
  const clamped = f32x4.pmax(f32x4.pmin(scaled, f32x4.splat(greatest)), f32x4.splat(least));
  return i32x4.sub(f32x4.add(clamped, f32x4.splat(ROUNDING)), i32x4.splat(ROUNDING_BITS));
}
