/** Float16 (IEEE 754-2019, 3.4: a sign, 5 exponent and 10 fraction bits), the type of the scales of
 *  quantized groups.
 *
 *      exponent bits 0: ± fraction · 2⁻²⁴;   31: infinity or NaN;
 *      else: ± (1 + fraction / 1024) · 2^(exponent − 15) */

import { binaryExponent, powerOfTwo } from '../math/powers-of-two.ts';

/** The greatest finite float16. */
export const MAX_FLOAT16 = 65_504;

/** From here on numbers round to infinity: half a unit above the greatest. */
const OVERFLOW = 65_520;
const INFINITY_BITS = 0x7c00;
const NAN_BITS = 0x7e00;
const SIGN_BIT = 0x8000;

/** The nearest float16, the one with an even fraction when two are equally near.
 *  @param x any number @returns 16 bits; those of one quiet NaN for every NaN */
export function encodeFloat16(x: number): number {
  if (Number.isNaN(x)) return NAN_BITS;
  const sign = x < 0 || Object.is(x, -0) ? SIGN_BIT : 0;
  const magnitude = Math.abs(x);
  if (magnitude >= OVERFLOW) return sign | INFINITY_BITS;
  // Subnormal numbers share the unit of the least normal exponent.
  const exponent = magnitude < powerOfTwo(-14) ? -14 : binaryExponent(magnitude);
  const units = roundHalfEven(magnitude * powerOfTwo(10 - exponent));
  // A normal number has 1024 … 2048 units: its leading bit counts the exponent up by one.
  return sign | ((exponent + 14) * 1024 + units);
}

/** The number that 16 bits stand for, exactly.
 *  @param bits 0 … 65,535 */
export function decodeFloat16(bits: number): number {
  const sign = (bits & SIGN_BIT) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * powerOfTwo(-24);
  return sign * (1024 + fraction) * powerOfTwo(exponent - 25);
}

/** The nearest integer, the even one of two equally near, as IEEE 754 rounds by default.
 *  @param x of magnitude under 2⁵¹, or NaN */
export function roundHalfEven(x: number): number {
  const shift = 1.5 * powerOfTwo(52); // where float64 numbers lie one apart
  return x + shift - shift;
}
