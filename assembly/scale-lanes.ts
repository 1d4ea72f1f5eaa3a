/** Eight finite float16 numbers as float32, exactly, in two vectors.
 *
 *  The 15 bits below the sign, moved up by 13, are a float32 whose exponent is 112 too small; the
 *  product with 2¹¹² is exact, and makes normal numbers of subnormal ones. The upper and lower
 *  halves of that pattern are made for all eight in 16-bit lanes, then interleaved:
 *
 *      s eeeee ffffffffff  →  upper  s 000 eeeee fffffff,  lower  fff 0000000000000 */

/** Elements 0…3. @param mask `float16Mask()` @param power `float16Power()` */
@inline
export function lowFloats(x: v128, mask: v128, power: v128): v128 {
  const upper = v128.and(i16x8.shr_s(x, 3), mask);
  const lower = i16x8.shl(x, 13);
  return f32x4.mul(
    power,
    i8x16.shuffle(lower, upper, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23),
  );
}

/** Elements 4…7. @param mask `float16Mask()` @param power `float16Power()` */
@inline
export function highFloats(x: v128, mask: v128, power: v128): v128 {
  const upper = v128.and(i16x8.shr_s(x, 3), mask);
  const lower = i16x8.shl(x, 13);
  return f32x4.mul(
    power,
    i8x16.shuffle(lower, upper, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31),
  );
}
