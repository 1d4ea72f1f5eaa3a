/** Matrix product with a transposed float weight: y[t, o] = Σᵢ x[t, i] · w[o, i], summed in float64
 *  and rounded once (see matmul.ts). The mirror of assembly/matmul-float.ts, which sums in float32:
 *  it stays within the bounds of its spec. 16-bit weights are bit patterns. */

import { matmul } from './matmul.ts';
import { widenBf16, widenF16 } from './widen.ts';

/** A float32 weight.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w `[outFeatures, inFeatures]` */
export function matmulF32(
  y: Float32Array,
  x: Float32Array,
  w: Float32Array,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  matmul(y, x, w, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** A bfloat16 weight.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w `[outFeatures, inFeatures]` */
export function matmulBf16(
  y: Float32Array,
  x: Float32Array,
  w: Uint16Array,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const weight = new Float32Array(w.length);
  widenBf16(weight, w, w.length);
  matmul(y, x, weight, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** A float16 weight.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w `[outFeatures, inFeatures]` */
export function matmulF16(
  y: Float32Array,
  x: Float32Array,
  w: Uint16Array,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const weight = new Float32Array(w.length);
  widenF16(weight, w, w.length);
  matmul(y, x, weight, T, outFeatures, inFeatures, rowStart, rowEnd);
}
