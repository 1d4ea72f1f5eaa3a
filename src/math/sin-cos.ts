/** Sine and cosine in float64: x = n · π/2 + r, |r| ≤ π/4, then a Taylor series of r and the
 *  quadrant n mod 4.
 *
 *  Reduction after Cody and Waite: π/2 in three constants of 53 bits, each product with n exact
 *  (Dekker), their sum held in two float64. No float64 up to 2^20 comes nearer to a multiple of
 *  π/2 than the reduction's error times 2^60. Up to 2^50 the result is as good but for arguments
 *  that happen to lie within 2^-50 of a multiple; beyond 2^50 the result is NaN, never a guess.
 *  Only + - × ÷ and exact operations: every engine gives the same bits. */
import { add, type DoubleDouble, twoProduct, twoSum } from './double-double.ts';

const TWO_OVER_PI = 0.6366197723675814;
/** π/2 = HALF_PI_1 + HALF_PI_2 + HALF_PI_3 to 160 bits. */
const HALF_PI_1 = 1.5707963267948966;
const HALF_PI_2 = 6.123233995736766e-17;
const HALF_PI_3 = -1.4973849048591698e-33;

/** 2^50 */
const GREATEST = 1125899906842624;
/** π/4: smaller arguments need no reduction. */
const QUARTER_PI = 0.7853981633974483;
/** 2^-27: below it sin x rounds to x. */
const TINY = 7.450580596923828e-9;

/** sin x, at most 1 ULP of float64 away for |x| ≤ 2^20; NaN beyond 2^50 and for NaN.
 *  @param x angle in radians
 *  @returns sin x; sin(-0) = -0 */
export function sin(x: number): number {
  if (Math.abs(x) < TINY) return x;
  if (!(Math.abs(x) <= GREATEST)) return Number.NaN;
  const { quadrant, r } = reduce(x);
  const value = quadrant % 2 === 0 ? sinOfReduced(r) : cosOfReduced(r);
  return quadrant < 2 ? value : -value;
}

/** cos x, at most 1 ULP of float64 away for |x| ≤ 2^20; NaN beyond 2^50 and for NaN.
 *  @param x angle in radians
 *  @returns cos x */
export function cos(x: number): number {
  if (!(Math.abs(x) <= GREATEST)) return Number.NaN;
  const { quadrant, r } = reduce(x);
  const value = quadrant % 2 === 0 ? cosOfReduced(r) : sinOfReduced(r);
  return quadrant === 1 || quadrant === 2 ? -value : value;
}

/** x = n · π/2 + r: n mod 4 and r. */
function reduce(x: number): { quadrant: number; r: DoubleDouble } {
  if (Math.abs(x) <= QUARTER_PI) return { quadrant: 0, r: { hi: x, lo: 0 } };
  const n = Math.round(x * TWO_OVER_PI);
  const first = twoProduct(-n, HALF_PI_1);
  const second = twoProduct(-n, HALF_PI_2);
  const third = { hi: -n * HALF_PI_3, lo: 0 };
  // x and n · HALF_PI_1 nearly cancel: that sum is exact.
  const leading = add(twoSum(x, first.hi), { hi: first.lo, lo: 0 });
  const r = add(add(leading, second), third);
  return { quadrant: n - 4 * Math.floor(n / 4), r };
}

/** sin r = r - r³/3! + … - r¹⁹/19!, |r| ≤ π/4. */
function sinOfReduced({ hi: r, lo: rest }: DoubleDouble): number {
  const z = r * r;
  let sum = -1 / 121645100408832000;
  sum = sum * z + 1 / 355687428096000;
  sum = sum * z - 1 / 1307674368000;
  sum = sum * z + 1 / 6227020800;
  sum = sum * z - 1 / 39916800;
  sum = sum * z + 1 / 362880;
  sum = sum * z - 1 / 5040;
  sum = sum * z + 1 / 120;
  sum = sum * z - 1 / 6;
  // sin(r + rest) = sin r + rest · cos r, cos r = 1 - r²/2 to first order.
  return r + (r * z * sum + rest * (1 - z / 2));
}

/** cos r = 1 - r²/2! + … + r²⁰/20!, |r| ≤ π/4, with 1 - r²/2 free of rounding. */
function cosOfReduced({ hi: r, lo: rest }: DoubleDouble): number {
  const { hi: z, lo: lostSquare } = twoProduct(r, r);
  let sum = 1 / 2432902008176640000;
  sum = sum * z - 1 / 6402373705728000;
  sum = sum * z + 1 / 20922789888000;
  sum = sum * z - 1 / 87178291200;
  sum = sum * z + 1 / 479001600;
  sum = sum * z - 1 / 3628800;
  sum = sum * z + 1 / 40320;
  sum = sum * z - 1 / 720;
  sum = sum * z + 1 / 24;
  const { hi: head, lo: lost } = twoSum(1, -z / 2);
  return head + (lost - lostSquare / 2 + z * z * sum - r * rest);
}
