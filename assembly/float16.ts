/** The float16 scales of quantized groups: to bits and back. The mirror is src/tensor/float16.ts.
 *
 *  binary16 (IEEE 754) has a sign, 5 exponent bits with the bias 15 and 10 fraction bits; float32
 *  has 8 with the bias 127 and 23. */

/** The one NaN that is written. */
export const FLOAT16_NAN: u32 = 0x7e00;

/** The bits of the float16 nearest to d, half to even; past the greatest, 65504, that one.
 *  @returns 16 bits, one quiet NaN for every NaN */
export function scaleBits(d: f32): u32 {
  const bits = reinterpret<u32>(d);
  const sign = (bits >> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return FLOAT16_NAN;
  if (magnitude < 0x38800000) {
    // Under 2⁻¹⁴ the unit is 2⁻²⁴, that of float32 numbers from 0.5 on.
    return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + 0.5) - 0x3f000000);
  }
  // The 13 fraction bits that are cut off round the rest; 112 is the difference of the biases.
  const rounded = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112 << 23)) >> 13;
  return sign | min<u32>(rounded, 0x7bff);
}

/** The number that float16 bits stand for, exactly; NaN for the NaN of `scaleBits`. */
export function scaleOf(bits: u32): f32 {
  const magnitude = bits & 0x7fff;
  if (magnitude > 0x7c00) return f32.NaN;
  const scaled = reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000); // 2¹¹²
  return copysign<f32>(scaled, reinterpret<f32>((bits & 0x8000) << 16));
}
