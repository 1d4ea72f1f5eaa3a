/** Powers of a positive base in float64: bˣ = e^(x · ln b), the exponent held in two float64.
 *  Only + - × ÷ and exact operations: every engine gives the same bits. */
import { multiply } from './double-double.ts';
import { expOfSum } from './exp.ts';
import { logDoubleDouble } from './log.ts';
import { powerOfTwo } from './powers-of-two.ts';

/** Exponents beyond this overflow or vanish for every base but 1: |ln b| ≥ 2^-53. */
const GREATEST_EXPONENT = powerOfTwo(66);

/** bˣ for b > 0, at most 1 ULP of float64 away; b⁰ = 1ˣ = 1. NaN when b ≤ 0 or either is NaN.
 *  @param base b, positive
 *  @param exponent x, any number
 *  @returns bˣ */
export function pow(base: number, exponent: number): number {
  if (!(base > 0) || Number.isNaN(exponent)) return Number.NaN;
  if (exponent === 0 || base === 1) return 1;
  if (base === Number.POSITIVE_INFINITY) return exponent > 0 ? base : 0;
  if (Math.abs(exponent) > GREATEST_EXPONENT) {
    return exponent > 0 === base > 1 ? Number.POSITIVE_INFINITY : 0;
  }
  const { hi, lo } = multiply(logDoubleDouble(base), { hi: exponent, lo: 0 });
  return expOfSum(hi, lo);
}
