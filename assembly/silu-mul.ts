/** The gate of SwiGLU: y = silu(gate) · up with silu(g) = g / (1 + e^−g).
 *
 *  Lanes: four elements a step. Remainder: one element, in all four lanes of the same steps.
 *  Error: none; the exponential is that of the mirror, and every step is rounded to float32. */

import { expLanes } from './exp-lanes';

/** Elements `start` to `end`.
 *  @param yPtr (overwritten) silu(gate) · up; may be gate or up
 *  @param activatedPtr (overwritten) silu(gate), or 0 for none */
export function siluMul(
  yPtr: usize,
  gatePtr: usize,
  upPtr: usize,
  activatedPtr: usize,
  start: usize,
  end: usize,
): void {
  const vectorEnd = (start + ((end - start) & ~3)) * 4;
  let i = start * 4;
  for (; i < vectorEnd; i += 16) {
    const silu = siluLanes(v128.load(gatePtr + i));
    const y = f32x4.mul(silu, v128.load(upPtr + i));
    if (activatedPtr !== 0) v128.store(activatedPtr + i, silu);
    v128.store(yPtr + i, y);
  }
  for (; i < end * 4; i += 4) {
    const silu = siluLanes(v128.load32_splat(gatePtr + i));
    const y = f32x4.mul(silu, v128.load32_splat(upPtr + i));
    if (activatedPtr !== 0) v128.store_lane<f32>(activatedPtr + i, silu, 0);
    v128.store_lane<f32>(yPtr + i, y, 0);
  }
}

@inline
function siluLanes(gate: v128): v128 {
  return f32x4.div(gate, f32x4.add(f32x4.splat(1), expLanes(f32x4.neg(gate))));
}
