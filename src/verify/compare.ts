/** How far one tensor lies from another, in units of the expected tensor's largest magnitude.
 *
 *  Scores below −1e29 are masked (the published code writes −3.4e38): they are compared as a set
 *  and left out of magnitudes and differences. Anything that cannot be measured, a NaN, an infinity
 *  against a number, a mask that differs, counts as infinitely far. */

import { BaichuanError } from '../errors.ts';

const MASKED_BELOW = -1e29;

export interface Difference {
  /** Largest |expected − found|. */
  readonly maxAbs: number;
  /** Largest |expected|. */
  readonly largest: number;
  /** maxAbs / largest; 0 when both are 0. */
  readonly relative: number;
  /** Row-major index of the largest difference, 0 for empty tensors. */
  readonly worst: number;
}

/** Compares two tensors of the same shape, element by element.
 *  @throws shape-mismatch when the shapes differ, not only the counts */
export function difference(
  expected: { readonly shape: readonly number[]; readonly values: ArrayLike<number> },
  found: { readonly shape: readonly number[]; readonly values: ArrayLike<number> },
): Difference {
  if (expected.shape.join() !== found.shape.join()) {
    throw new BaichuanError('shape-mismatch', {
      what: `Expected shape [${expected.shape.join(', ')}], found [${found.shape.join(', ')}].`,
      fix: 'Compare tensors of the same shape.',
    });
  }
  let [maxAbs, largest, worst] = [0, 0, 0];
  for (let i = 0; i < expected.values.length; i++) {
    const distance = distanceOf(expected.values[i], found.values[i]);
    if (distance > maxAbs) [maxAbs, worst] = [distance, i];
    if (expected.values[i] >= MASKED_BELOW)
      largest = Math.max(largest, Math.abs(expected.values[i]));
  }
  if (maxAbs === Number.POSITIVE_INFINITY) return { maxAbs, largest, relative: maxAbs, worst };
  return { maxAbs, largest, relative: maxAbs === 0 ? 0 : maxAbs / largest, worst };
}

function distanceOf(expected: number, found: number): number {
  const masked = [expected, found].filter((value) => value < MASKED_BELOW).length;
  if (masked > 0) return masked === 2 ? 0 : Number.POSITIVE_INFINITY;
  if (expected === found) return 0;
  const distance = Math.abs(expected - found);
  return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
}
