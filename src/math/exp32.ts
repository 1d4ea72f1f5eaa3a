/** The exponential function in float32, step by step as a float32 kernel computes it:
 *  eˣ = 2ⁿ · eʳ, n = round(x / ln 2), r = x - n · ln 2.
 *
 *  Every multiplication and addition is rounded to float32, in the order written here, so that a
 *  kernel with `f32` `mul` and `add` (never fused) gives the same bits. Rounding a float64 sum or
 *  product of two float32 to float32 is the float32 operation itself: 53 ≥ 2 · 24 + 2.
 *
 *  - n: adding and taking away 1.5 · 2²³ rounds to an integer, half to even.
 *  - r: ln 2 in two constants, the first of 9 bits, so that n times it is exact.
 *  - eʳ: the polynomial of the Cephes library (S. L. Moshier, expf.c), degree 7.
 *  - 2ⁿ: the product with eʳ is rounded once. In float32 that takes two factors, 2^⌊n/2⌋ and
 *    2^(n - ⌊n/2⌋): the first product is exact. Here one float64 factor does the same.
 *
 *  Results below 2^-126 are subnormal numbers, not flushed to 0, and rounded once more: there the
 *  bound is still 1 ULP, of the subnormal spacing 2^-149. */
import { powerOfTwo } from './powers-of-two.ts';

const fround = Math.fround;

const LOG2_E = fround(Math.LOG2E);
/** 1.5 · 2²³ */
const ROUNDER = 12582912;
/** 355 / 512 and ln 2 - 355 / 512 */
const LN2_HIGH = 0.693359375;
const LN2_LOW = fround(-2.1219444e-4);

const C7 = fround(1.98756915e-4);
const C6 = fround(1.3981999507e-3);
const C5 = fround(8.3334519073e-3);
const C4 = fround(4.1665795894e-2);
const C3 = fround(1.6666665459e-1);
const C2 = fround(5.0000001201e-1);

/** Inputs are brought into this range first: e^90 overflows, e^-105 < 2^-150 rounds to 0. */
const GREATEST = 90;
const LEAST = -105;

/** n runs from round(-105 / ln 2) = -151 to round(90 / ln 2) = 130. */
const LEAST_EXPONENT = -151;
const powers = Float64Array.from({ length: 282 }, (_, index) => powerOfTwo(index + LEAST_EXPONENT));

/** eˣ in float32, less than 1 ULP away: +0 below -103.97, Infinity above 88.72, NaN for NaN.
 *  @param x a float32 value, infinities and NaN included
 *  @returns eˣ, a float32 value */
export function exp32(x: number): number {
  const bounded = Math.max(LEAST, Math.min(GREATEST, x));

  // n = round(x / ln 2)
  const n = fround(fround(fround(bounded * LOG2_E) + ROUNDER) - ROUNDER);

  // r = x - n · ln 2
  const r = fround(fround(bounded - fround(n * LN2_HIGH)) - fround(n * LN2_LOW));

  // eʳ = 1 + r + r² · P(r)
  let p = fround(fround(C7 * r) + C6);
  p = fround(fround(p * r) + C5);
  p = fround(fround(p * r) + C4);
  p = fround(fround(p * r) + C3);
  p = fround(fround(p * r) + C2);
  const y = fround(fround(fround(p * fround(r * r)) + r) + 1);

  // The index of NaN is 151, and NaN · 1 is NaN.
  return fround(y * (powers[(n | 0) - LEAST_EXPONENT] as number));
}
