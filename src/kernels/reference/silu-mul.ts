/** The gate of SwiGLU: y = silu(gate) · up with silu(g) = g / (1 + e^−g).
 *
 *  Elementwise, every step rounded to float32, so a kernel with the same steps has the same
 *  bits. */

import { exp32 } from '../../math/index.ts';

/** Elements `start` to `end`.
 *  @param y (overwritten) silu(gate) · up @param activated (overwritten) silu(gate), or null */
export function siluMul(
  y: Float32Array,
  gate: Float32Array,
  up: Float32Array,
  activated: Float32Array | null,
  start: number,
  end: number,
): void {
  for (let i = start; i < end; i++) {
    const g = gate[i];
    // For g below −88 the exponential is infinite and the quotient −0, as the limit demands.
    const silu = Math.fround(g / Math.fround(1 + exp32(-g)));
    if (activated !== null) activated[i] = silu;
    y[i] = silu * up[i];
  }
}
