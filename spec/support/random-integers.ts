/** Deterministic integers for kernel cases. */

import { randomSource } from './random.ts';

/** `length` integers of low…high, both included. */
export function randomIntegers(
  seed: number,
  length: number,
  low: number,
  high: number,
): Int32Array {
  const values = randomSource(seed).positive(length, high - low + 1);
  return Int32Array.from(values, (value) => Math.min(high, low + Math.floor(value)));
}
