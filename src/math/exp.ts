/** The exponential function in float64: eˣ = 2ⁿ · eʳ, n = round(x / ln 2), r = x - n · ln 2.
 *
 *  ln 2 is held in two constants; n times the first (40 bits) is exact, so r keeps all its bits.
 *  eʳ is its Taylor series for |r| ≤ ln(2) / 2 = 0.3466, the term 1 + r summed without rounding.
 *  Only + - × ÷ and exact operations: every engine gives the same bits. */
import { powerOfTwo } from './powers-of-two.ts';

const LOG2_E = Math.LOG2E;
/** ln 2 cut to 40 bits, and the rest of it. */
const LN2_HIGH = 0.6931471805592082;
const LN2_LOW = 7.371002565167799e-13;

/** Above this eˣ rounds to Infinity. */
const OVERFLOW = 709.782712893384;
/** Below this eˣ rounds to 0. */
const UNDERFLOW = -745.1332191019412;

/** eˣ, at most 1 ULP of float64 away; +0 below -745.13, Infinity above 709.78, NaN for NaN.
 *  @param x any number
 *  @returns eˣ */
export function exp(x: number): number {
  return expOfSum(x, 0);
}

/** e^(hi + lo), for an exponent known to more than 53 bits.
 *  @param hi the exponent
 *  @param lo what rounding took from it: |lo| at most 1 ULP of hi
 *  @returns e^(hi + lo) */
export function expOfSum(hi: number, lo: number): number {
  if (Number.isNaN(hi)) return Number.NaN;
  if (hi > OVERFLOW) return Number.POSITIVE_INFINITY;
  if (hi < UNDERFLOW) return 0;

  // r = hi + lo - n · ln 2; hi - n · LN2_HIGH has no rounding error.
  const n = Math.round(hi * LOG2_E);
  const high = hi - n * LN2_HIGH;
  const low = n * LN2_LOW;
  const r = high - low;
  const rest = high - r - low + lo;

  // eʳ = (1 + r) + r² · Q(r), and d(eʳ) = eʳ · rest.
  const one = 1 + r;
  const lost = r - (one - 1);
  const curve = r * r * tail(r);
  const y = one + (lost + (curve + rest * (one + curve)));

  // 2ⁿ in two factors: the first is exact, the second rounds once where eˣ is subnormal.
  const half = Math.floor(n / 2);
  return y * powerOfTwo(half) * powerOfTwo(n - half);
}

/** Q(r) = 1/2! + r/3! + r²/4! + … + r¹²/14!, even and odd powers apart: two short chains of
 *  dependent steps instead of a long one. */
function tail(r: number): number {
  const square = r * r;
  let even = 1 / 87178291200;
  even = even * square + 1 / 479001600;
  even = even * square + 1 / 3628800;
  even = even * square + 1 / 40320;
  even = even * square + 1 / 720;
  even = even * square + 1 / 24;
  even = even * square + 1 / 2;
  let odd = 1 / 6227020800;
  odd = odd * square + 1 / 39916800;
  odd = odd * square + 1 / 362880;
  odd = odd * square + 1 / 5040;
  odd = odd * square + 1 / 120;
  odd = odd * square + 1 / 6;
  return even + r * odd;
}
