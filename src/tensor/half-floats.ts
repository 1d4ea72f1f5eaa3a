/** float16 (IEEE 754 binary16) and bfloat16 against float32, as bit patterns, so that the payload
 *  of a NaN survives. Widening is exact; narrowing rounds to nearest, ties to even. */

const SIGN = 0x8000;
const INFINITY_16 = 0x7c00;
const INFINITY_32 = 0x7f800000;

/** 65,520 as float32: from here on float16 rounds to infinity. */
const FLOAT16_OVERFLOW = 0x477ff000;

/** 2⁻¹⁴ as float32: below it float16 is subnormal. */
const FLOAT16_NORMAL = 0x38800000;

/** The float32 exponent of 2⁰ against that of float16: 127 − 15, in place. */
const BIAS = 112 << 23;

const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);

/** The float32 pattern of a float16 pattern. */
export function float16ToFloat32Bits(bits: number): number {
  const magnitude = bits & 0x7fff;
  const sign = ((bits & SIGN) << 16) >>> 0;
  if (magnitude >= INFINITY_16) return (sign | INFINITY_32 | ((magnitude & 0x3ff) << 13)) >>> 0;
  if (magnitude >= 0x400) return sign + BIAS + magnitude * 2 ** 13;
  number[0] = magnitude * 2 ** -24;
  return sign + word[0];
}

/** The value of a float16 pattern. */
export function float16ToNumber(bits: number): number {
  word[0] = float16ToFloat32Bits(bits);
  return number[0];
}

/** The float16 pattern nearest to a float32 pattern; a NaN stays one. */
export function float32ToFloat16Bits(bits: number): number {
  const sign = (bits >>> 16) & SIGN;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INFINITY_32) return sign | INFINITY_16 | 0x200 | ((magnitude >>> 13) & 0x1ff);
  if (magnitude >= FLOAT16_OVERFLOW) return sign | INFINITY_16;
  if (magnitude >= FLOAT16_NORMAL) {
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - BIAS) >>> 13);
  }
  // A float32 near 1/2 has the unit of subnormal float16, 2⁻²⁴: the sum rounds as it must.
  word[0] = magnitude;
  number[0] += 0.5;
  return sign | (word[0] & 0x7ff);
}

/** The float16 pattern nearest to a number that is a float32. */
export function numberToFloat16Bits(value: number): number {
  number[0] = value;
  return float32ToFloat16Bits(word[0]);
}

/** The bfloat16 pattern nearest to a float32 pattern; a NaN stays one. */
export function float32ToBfloat16Bits(bits: number): number {
  if ((bits & 0x7fffffff) > INFINITY_32) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
