/** Numbers of about 106 bits as the unevaluated sum of two float64: value = hi + lo.
 *
 *  Source: T. J. Dekker, "A floating-point technique for extending the available precision",
 *  Numerische Mathematik 18 (1971); D. E. Knuth, The Art of Computer Programming, vol. 2, 4.2.2.
 *  Products assume magnitudes between 2^-900 and 2^900: the splitting would overflow beyond. */

/** hi + lo, where hi is that sum rounded to float64. */
export interface DoubleDouble {
  hi: number;
  lo: number;
}

/** 2²⁷ + 1 splits 53 bits into two halves whose products are exact. */
const SPLITTER = 134217729;

/** The exact sum of two float64 (Knuth).
 *  @returns a + b without rounding */
export function twoSum(a: number, b: number): DoubleDouble {
  const hi = a + b;
  const shareOfB = hi - a;
  return { hi, lo: a - (hi - shareOfB) + (b - shareOfB) };
}

/** The exact product of two float64 (Dekker, Veltkamp).
 *  @returns a · b without rounding */
export function twoProduct(a: number, b: number): DoubleDouble {
  const hi = a * b;
  const aHigh = highHalf(a);
  const aLow = a - aHigh;
  const bHigh = highHalf(b);
  const bLow = b - bHigh;
  return { hi, lo: aHigh * bHigh - hi + aHigh * bLow + aLow * bHigh + aLow * bLow };
}

/** The sum of two pairs, to about 2^-104 of the larger one.
 *  @returns a + b */
export function add(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const high = twoSum(a.hi, b.hi);
  const low = twoSum(a.lo, b.lo);
  const middle = twoSum(high.hi, high.lo + low.hi);
  return twoSum(middle.hi, middle.lo + low.lo);
}

/** The product of two pairs, to about 2^-102 relative.
 *  @returns a · b */
export function multiply(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const product = twoProduct(a.hi, b.hi);
  return twoSum(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

/** The quotient of two pairs, to about 2^-100 relative: one Newton step on a.hi / b.hi.
 *  @returns a / b */
export function divide(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const quotient = a.hi / b.hi;
  const product = twoProduct(quotient, b.hi);
  const remainder = a.hi - product.hi - product.lo + a.lo - quotient * b.lo;
  return twoSum(quotient, remainder / b.hi);
}

function highHalf(a: number): number {
  const scaled = SPLITTER * a;
  return scaled - (scaled - a);
}
