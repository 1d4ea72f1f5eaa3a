/** Rounding to half precisions, to nearest, ties to even. */

/** The nearest bfloat16: 8 significant bits. */
export function roundBf16(x: number): number {
  return roundSignificant(x, 2 ** 45 + 1);
}

/** The nearest binary16: 11 significant bits, units of 2⁻²⁴ below 2⁻¹⁴, infinite from 65,520. */
export function roundF16(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < 2 ** -14) return roundEven(x * 2 ** 24) / 2 ** 24;
  if (magnitude >= 65_520) return x * Number.POSITIVE_INFINITY;
  return roundSignificant(x, 2 ** 42 + 1);
}

/** Splits off the leading bits of a double (Veltkamp): `factor` is 2^(53 − bits) + 1. */
function roundSignificant(x: number, factor: number): number {
  const scaled = x * factor;
  const low = scaled - x;
  return Number.isFinite(scaled) ? scaled - low : x;
}

/** The nearest integer, ties to even. */
export function roundEven(x: number): number {
  const whole = Math.round(x);
  return Math.abs(x % 1) === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
}
