/** The exponential function over an array, as src/math/exp32.ts defines it: the same bits. */

import { exp32 } from '../../math/index.ts';

/** Elements `start` to `end`.
 *  @param y (overwritten) eˣ, may be x */
export function exp(y: Float32Array, x: Float32Array, start: number, end: number): void {
  for (let i = start; i < end; i++) y[i] = exp32(x[i]);
}
