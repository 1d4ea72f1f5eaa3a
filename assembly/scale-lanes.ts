/** Eight float16 numbers as float32, exactly, in two vectors.
 *
 *  The 15 bits below the sign, moved up by 13, are a float32 whose exponent is 112 too small; the
 *  product with 2¹¹² is exact, and makes normal numbers of subnormal ones. The upper and lower
 *  halves of that pattern are made for all eight in 16-bit lanes, then interleaved:
 *
 *      s eeeee ffffffffff  →  upper  s 000 eeeee fffffff,  lower  fff 0000000000000 */

import { float16Exponent, upperExponent } from './constants';

/** Storage of the scales, as a type that the loops are compiled for: per group, finite or with
 *  infinity and NaN, or per row. */
export type Float16 = u16;
export type AnyFloat16 = i16;
export type Float32 = f32;

/** The upper halves of finite numbers. @param mask `float16Mask()` */
@inline
export function finiteHalves(x: v128, mask: v128): v128 {
  return v128.and(i16x8.shr_s(x, 3), mask);
}

/** The upper halves of any numbers: infinity and NaN get all bits of the exponent.
 *  @param exponent `float16Exponent()` @param infinity `upperExponent()` */
@inline
export function upperHalves(x: v128, mask: v128, exponent: v128, infinity: v128): v128 {
  const special = i16x8.eq(v128.and(x, exponent), exponent);
  return v128.or(finiteHalves(x, mask), v128.and(special, infinity));
}

/** The same for a loop without registers to spare: constants are read where they are used. */
@inline
export function scaleHalves(x: v128, mask: v128): v128 {
  return upperHalves(x, mask, float16Exponent(), upperExponent());
}

/** The upper halves of scales that are stored as S. */
@inline
export function halvesOf<S>(x: v128, mask: v128): v128 {
  return isSigned<S>() ? scaleHalves(x, mask) : finiteHalves(x, mask);
}

/** Whether what was computed with finite scales must be computed with any: one is 2 or more in
 *  magnitude, and so may be infinity or NaN.
 *  @param bits of all scales, four in a word, joined by or */
@inline
export function mustRepeat<S>(bits: u64): bool {
  return !isFloat<S>() && !isSigned<S>() && (bits & 0x4000400040004000) !== 0;
}

/** Elements 0…3. @param upper their upper halves @param power `float16Power()` */
@inline
export function joinLow(x: v128, upper: v128, power: v128): v128 {
  const lower = i16x8.shl(x, 13);
  return f32x4.mul(power, v128.shuffle<i16>(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11));
}

/** Elements 4…7. @param upper their upper halves @param power `float16Power()` */
@inline
export function joinHigh(x: v128, upper: v128, power: v128): v128 {
  const lower = i16x8.shl(x, 13);
  return f32x4.mul(power, v128.shuffle<i16>(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15));
}
