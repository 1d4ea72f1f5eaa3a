/** Deterministic random float32 numbers for kernel cases (a linear congruential generator: enough
 *  to fill a matrix, not to sample from a model). */

export interface RandomSource {
  /** `length` numbers between −scale and scale. */
  signed(length: number, scale?: number): Float32Array;
  /** `length` numbers between 0 and scale: sums grow, rounding does not cancel. */
  positive(length: number, scale?: number): Float32Array;
}

export function randomSource(seed: number): RandomSource {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return {
    signed: (length, scale = 1) => Float32Array.from({ length }, () => (2 * next() - 1) * scale),
    positive: (length, scale = 1) => Float32Array.from({ length }, () => next() * scale),
  };
}
