/** The float16 scales of quantized groups: to bits and back. The mirror is src/tensor/float16.ts.
 *
 *  binary16 (IEEE 754) has a sign, 5 exponent bits with the bias 15 and 10 fraction bits; float32
 *  has 8 with the bias 127 and 23. Lanes are four scales. */

/** The bits of the nearest float16, half to even; past the greatest, 65504, that one.
 *  @returns int32 `[4]`: 16 bits each, one quiet NaN for every NaN */
@inline
export function scaleBits(scales: v128): v128 {
  const magnitude = v128.and(scales, i32x4.splat(0x7fffffff));
  // The 13 fraction bits that are cut off round the rest; 112 is the difference of the biases.
  const isOdd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const rebiased = i32x4.add(magnitude, i32x4.splat(0xfff - (112 << 23)));
  const normal = i32x4.shr_u(i32x4.add(rebiased, isOdd), 13);
  // Under 2⁻¹⁴ the unit is 2⁻²⁴, that of float32 numbers from 0.5 on.
  const unit = i32x4.splat(0x3f000000); // 0.5
  const subnormal = i32x4.sub(f32x4.add(magnitude, unit), unit);
  const isSubnormal = i32x4.lt_s(magnitude, i32x4.splat(0x38800000)); // 2⁻¹⁴
  const finite = i32x4.min_u(v128.bitselect(subnormal, normal, isSubnormal), i32x4.splat(0x7bff));
  const sign = v128.and(i32x4.shr_u(scales, 16), i32x4.splat(0x8000));
  const isNaN = f32x4.ne(scales, scales);
  return v128.bitselect(i32x4.splat(0x7e00), v128.or(finite, sign), isNaN);
}

/** 1 / scale of the bits that `scaleBits` gives; 0 for the scales 0 and NaN.
 *  @returns float32 `[4]` */
@inline
export function inverseScales(bits: v128): v128 {
  const magnitude = i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13);
  const scaled = f32x4.mul(magnitude, i32x4.splat(0x77800000)); // 2¹¹²
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  const inverse = f32x4.div(f32x4.splat(1), v128.or(scaled, sign));
  const isNothing = v128.or(
    i32x4.eq(magnitude, i32x4.splat(0)),
    i32x4.gt_s(magnitude, i32x4.splat(0x7bff << 13)),
  );
  return v128.andnot(inverse, isNothing);
}
