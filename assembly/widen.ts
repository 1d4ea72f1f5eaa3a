/** Widens 16-bit floats to float32, exactly, every bit pattern: y[i] = float32(x[i]).
 *
 *  bfloat16 is the upper half of a float32, so y = x · 2¹⁶ as an integer.
 *  binary16 (IEEE 754, 5 exponent and 10 fraction bits): the 15 bits below the sign, moved up by
 *  13, read as a float32 whose exponent is 112 too small; the product with 2¹¹² is exact and
 *  makes normal numbers of subnormal ones. Infinity and NaN (exponent 31) get exponent 255 by an
 *  `or`, their fraction is kept.
 *
 *  Memory, `count` elements, any alignment, x and y apart:
 *
 *      xPtr  | x0 x1 x2 x3 x4 x5 x6 x7 | x8 …       2 bytes each
 *              └──── low ────┘└──── high ───┘
 *      yPtr  | y0 y1 y2 y3 | y4 y5 y6 y7 | y8 …     4 bytes each
 *
 *  Lanes: eight elements a step, one load and two stores. Remainder: one element a step, by the
 *  same formula in scalars. Error: none; the mirror gives the same bits, NaN payloads included. */

const LANES: usize = 8;

/** @param yPtr float32 `[count]` (overwritten) @param xPtr bfloat16 `[count]` */
export function widenBf16(yPtr: usize, xPtr: usize, count: usize): void {
  const vectorEnd = xPtr + (count & ~(LANES - 1)) * 2;
  const xEnd = xPtr + count * 2;

  while (xPtr < vectorEnd) {
    const x = v128.load(xPtr);
    v128.store(yPtr, i32x4.shl(i32x4.extend_low_i16x8_u(x), 16));
    v128.store(yPtr, i32x4.shl(i32x4.extend_high_i16x8_u(x), 16), 16);
    xPtr += LANES * 2;
    yPtr += LANES * 4;
  }

  while (xPtr < xEnd) {
    store<u32>(yPtr, (<u32>load<u16>(xPtr)) << 16);
    xPtr += 2;
    yPtr += 4;
  }
}

/** @param yPtr float32 `[count]` (overwritten) @param xPtr binary16 `[count]` */
export function widenF16(yPtr: usize, xPtr: usize, count: usize): void {
  const vectorEnd = xPtr + (count & ~(LANES - 1)) * 2;
  const xEnd = xPtr + count * 2;

  while (xPtr < vectorEnd) {
    const x = v128.load(xPtr);
    v128.store(yPtr, widenF16Lanes(i32x4.extend_low_i16x8_u(x)));
    v128.store(yPtr, widenF16Lanes(i32x4.extend_high_i16x8_u(x)), 16);
    xPtr += LANES * 2;
    yPtr += LANES * 4;
  }

  while (xPtr < xEnd) {
    const x = <u32>load<u16>(xPtr);
    const magnitude = x & 0x7fff;
    const scaled = reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000); // 2¹¹²
    const special: u32 = magnitude >= 0x7c00 ? 0x7f800000 : 0; // the exponent of infinity
    store<u32>(yPtr, ((x & 0x8000) << 16) | reinterpret<u32>(scaled) | special);
    xPtr += 2;
    yPtr += 4;
  }
}

/** Elements `start` to `end` of `widenBf16`. */
export function widenBf16Range(yPtr: usize, xPtr: usize, start: usize, end: usize): void {
  widenBf16(yPtr + start * 4, xPtr + start * 2, end - start);
}

/** Elements `start` to `end` of `widenF16`. */
export function widenF16Range(yPtr: usize, xPtr: usize, start: usize, end: usize): void {
  widenF16(yPtr + start * 4, xPtr + start * 2, end - start);
}

/** Four binary16 patterns, each in the low half of a 32-bit lane, as float32. */
@inline
function widenF16Lanes(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fff));
  const sign = i32x4.shl(v128.and(x, i32x4.splat(0x8000)), 16);
  const power = i32x4.splat(0x77800000); // 2¹¹² as float32
  const scaled = f32x4.mul(i32x4.shl(magnitude, 13), power);
  const isSpecial = i32x4.gt_s(magnitude, i32x4.splat(0x7bff)); // exponent 31
  const special = v128.and(isSpecial, i32x4.splat(0x7f800000)); // the exponent of infinity
  return v128.or(v128.or(sign, scaled), special);
}
