/** Groups of 32 weights that a quantizer may stumble over. */

import { randomSource } from './random.ts';

const MAX = 3.4028234663852886e38;
const EQUAL = [0, -0, 0.75, -0.75, 1e-30, -1e-30, 2 ** -140, 2 ** -149, 1e-7, MAX, -MAX, 65_504];
const OUTLIERS = [1 / 0, -1 / 0, Number.NaN, MAX, -MAX, 1e6, -1e6, 100, -100];
const EXPONENTS = [
  -12, -20, -24, -25, -26, -30, -60, -99, -100, -101, -126, -145, 30, 60, 100, 120,
];

/** Groups one after the other: zeros, one weight, equal weights, ties, the ends of the exponent
 *  range, infinities and NaN at several places. */
export function oddGroups(): Float32Array {
  const random = randomSource(11);
  const groups: Float32Array[] = [];
  const add = (weight: (value: number, i: number) => number) => {
    groups.push(random.signed(32, 0.5).map(weight));
  };
  for (const value of EQUAL) add(() => value);
  for (const outlier of OUTLIERS) {
    for (const place of [0, 5, 31]) {
      add((value, i) => (i === place ? outlier : value));
      add((_, i) => (i === place ? outlier : 0));
    }
  }
  add((_, i) => (i === 7 ? Number.NaN : 1 / 0));
  add((_, i) => (i % 16) - 8);
  add((_, i) => ((i % 15) - 7) * 0.5);
  add((_, i) => (i % 2 === 0 ? 1 : -1));
  add((_, i) => i - 15.5);
  for (const exponent of EXPONENTS) add((value) => value * 2 ** exponent);
  const all = new Float32Array(32 * groups.length);
  for (const [index, weights] of groups.entries()) all.set(weights, 32 * index);
  return all;
}
