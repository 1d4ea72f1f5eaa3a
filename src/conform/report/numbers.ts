/** Numbers as a reader of a report wants them. */

import { log } from '../../math/index.ts';

/** The decimal logarithm. */
export function log10(x: number): number {
  return log(x) / Math.LN10;
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** A power of ten, 10⁻⁷. */
export function powerOfTen(exponent: number): string {
  const digits = String(Math.abs(exponent)).replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)]);
  return `10${exponent < 0 ? '⁻' : ''}${digits}`;
}

/** Three digits and a power of ten, 3.14 · 10⁻⁷; plain where that is short. */
export function scientific(x: number): string {
  if (x === 0) return '0';
  if (Number.isNaN(x)) return 'NaN';
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞';
  const size = Math.abs(x);
  if (size >= 0.01 && size < 10_000) return Number(x.toPrecision(3)).toString().replace('-', '−');
  const [digits, exponent] = x.toExponential(2).split('e');
  return `${digits.replace('-', '−')} · ${powerOfTen(Number(exponent))}`;
}

/** All digits of a float32, as programs write them. */
export function exactNumber(x: number): string {
  return String(Math.fround(x) === x ? Number(x.toPrecision(9)) : x).replace('-', '−');
}

/** A probability in percent: 12.3 %, 0.04 %. */
export function percent(p: number): string {
  if (!Number.isFinite(p)) return '–';
  if (p === 0) return '0 %';
  if (p < 0.0001) return '< 0.01 %';
  return `${(100 * p).toFixed(p < 0.1 ? 2 : 1)} %`;
}
