/** The natural logarithm in float64: ln x = k · ln 2 + ln m, x = 2^k · m, √½ ≤ m < √2, with
 *  ln m = 2 · artanh(s) = 2 · (s + s³/3 + s⁵/5 + …), s = (m - 1) / (m + 1), |s| ≤ 0.1716.
 *
 *  s, s³/3 and k · ln 2 are held in two float64 each: about 2^-65 relative, which `pow` needs
 *  (a power up to e^709 turns an error of the logarithm into one 709 times larger).
 *  Only + - × ÷ and exact operations: every engine gives the same bits. */
import { add, type DoubleDouble, divide, multiply, twoProduct, twoSum } from './double-double.ts';
import { binaryExponent, powerOfTwo } from './powers-of-two.ts';

const LN2: DoubleDouble = { hi: Math.LN2, lo: 2.3190468138462996e-17 };
const THIRD: DoubleDouble = { hi: 1 / 3, lo: 1.850371707708594e-17 };
const SQRT2 = Math.sqrt(2);
const LEAST_NORMAL = powerOfTwo(-1022);

/** ln x, at most 1 ULP of float64 away; -Infinity for 0, NaN for x < 0 and NaN.
 *  @param x any number
 *  @returns ln x */
export function log(x: number): number {
  return logDoubleDouble(x).hi;
}

/** ln x to about 2^-65 relative; the special values are those of `log`.
 *  @param x any number
 *  @returns ln x as hi + lo */
export function logDoubleDouble(x: number): DoubleDouble {
  if (!(x > 0)) return { hi: x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN, lo: 0 };
  if (x === Number.POSITIVE_INFINITY) return { hi: x, lo: 0 };
  if (x === 1) return { hi: 0, lo: 0 };

  // x = 2^k · m; a subnormal x is made normal first.
  const shift = x < LEAST_NORMAL ? 54 : 0;
  const normal = x * powerOfTwo(shift);
  let exponent = binaryExponent(normal);
  let m = normal * powerOfTwo(-Math.floor(exponent / 2)) * powerOfTwo(-Math.ceil(exponent / 2));
  if (m > SQRT2) {
    m = m / 2;
    exponent++;
  }
  const k = exponent - shift;

  // s = (m - 1) / (m + 1)
  const s = divide({ hi: m - 1, lo: 0 }, twoSum(m, 1));
  const square = multiply(s, s);
  const cube = multiply(multiply(square, s), THIRD);
  const rest = square.hi * square.hi * s.hi * tail(square.hi);
  const half = add(s, add(cube, { hi: rest, lo: 0 }));

  // k · ln 2 + 2 · artanh(s)
  const power = twoProduct(k, LN2.hi);
  return add({ hi: power.hi, lo: power.lo + k * LN2.lo }, { hi: 2 * half.hi, lo: 2 * half.lo });
}

/** 1/5 + z/7 + z²/9 + … + z⁹/23, z = s² ≤ 0.0295: the next term is below 2^-60 of the first. */
function tail(z: number): number {
  let sum = 1 / 23;
  for (let odd = 21; odd >= 5; odd -= 2) sum = sum * z + 1 / odd;
  return sum;
}
