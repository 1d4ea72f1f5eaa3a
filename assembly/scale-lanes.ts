/** Eight float16 numbers as float32, exactly, in two vectors.
 *
 *  The 15 bits below the sign, moved up by 13, are a float32 whose exponent is 112 too small; the
 *  product with 2¹¹² is exact, and makes normal numbers of subnormal ones. The upper and lower
 *  halves of that pattern are made for all eight in 16-bit lanes, then interleaved:
 *
 *      s eeeee ffffffffff  →  upper  s 000 eeeee fffffff,  lower  fff 0000000000000 */

/** The upper halves of finite numbers. @param mask `float16Mask()` */
@inline
export function upperHalves(x: v128, mask: v128): v128 {
  return v128.and(i16x8.shr_s(x, 3), mask);
}

/** What is to be set in the upper halves besides: all of the exponent for infinity and NaN.
 *  @param exponent `float16Exponent()` @param infinity `upperExponent()` */
@inline
export function specialHalves(x: v128, exponent: v128, infinity: v128): v128 {
  return v128.and(i16x8.eq(v128.and(x, exponent), exponent), infinity);
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

/** Elements 0…3 of finite numbers. @param mask `float16Mask()` @param power `float16Power()` */
@inline
export function lowFloats(x: v128, mask: v128, power: v128): v128 {
  return joinLow(x, upperHalves(x, mask), power);
}

/** Elements 4…7 of finite numbers. @param mask `float16Mask()` @param power `float16Power()` */
@inline
export function highFloats(x: v128, mask: v128, power: v128): v128 {
  return joinHigh(x, upperHalves(x, mask), power);
}
