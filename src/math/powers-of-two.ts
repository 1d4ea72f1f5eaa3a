/** Exact powers of two and the binary exponent of a number: 2ⁿ for n = -1074 … 1023.
 *
 *  Bits are read through a `DataView`, whose byte order is fixed, so no machine differs. */

/** The least exponent of float64: 2^-1074 is its smallest subnormal number. */
const LEAST_EXPONENT = -1074;
/** The greatest exponent of float64. */
const GREATEST_EXPONENT = 1023;

const table = makeTable();
const view = new DataView(new ArrayBuffer(8));

/** 2ⁿ, exactly.
 *  @param n an integer, -1074 … 1023
 *  @returns 2ⁿ */
export function powerOfTwo(n: number): number {
  return table[n - LEAST_EXPONENT] as number;
}

/** The binary exponent of a normal number: e with 2^e ≤ x < 2^(e + 1).
 *  @param x positive, finite and not subnormal
 *  @returns e, -1022 … 1023 */
export function binaryExponent(x: number): number {
  view.setFloat64(0, x);
  return (view.getUint32(0) >>> 20) - 1023;
}

/** Halving and doubling are exact, down to the smallest subnormal number. */
function makeTable(): Float64Array {
  const powers = new Float64Array(GREATEST_EXPONENT - LEAST_EXPONENT + 1);
  powers[-LEAST_EXPONENT] = 1;
  for (let n = 1; n <= GREATEST_EXPONENT; n++) {
    powers[n - LEAST_EXPONENT] = 2 * (powers[n - 1 - LEAST_EXPONENT] as number);
  }
  for (let n = -1; n >= LEAST_EXPONENT; n--) {
    powers[n - LEAST_EXPONENT] = 0.5 * (powers[n + 1 - LEAST_EXPONENT] as number);
  }
  return powers;
}
