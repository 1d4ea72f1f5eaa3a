/** Float32 activations times a transposed quantized weight: the weight is dequantized to float32,
 *  then y[t, o] = Σᵢ x[t, i] · w[o, i], summed in float64 and rounded once (see matmul.ts). The
 *  mirror of assembly/matmul-exact.ts, which sums in float32: it stays within the bounds of its
 *  spec. */

import { matmul } from './matmul.ts';
import { dequantize, type QuantizedWeight } from './quantized-weight.ts';

/** An int8 weight with a scale per group of 32.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w scales `[outFeatures, G]` */
export function matmulInt8Exact(
  y: Float32Array,
  x: Float32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const weight = dequantize(w, outFeatures, inFeatures, false);
  matmul(y, x, weight, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** An int8 weight with one scale per row.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w scales `[outFeatures]` */
export function matmulInt8ChannelExact(
  y: Float32Array,
  x: Float32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const weight = dequantize(w, outFeatures, inFeatures, true);
  matmul(y, x, weight, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** An int4 weight with a scale per group of 32.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w scales `[outFeatures, G]` */
export function matmulInt4Exact(
  y: Float32Array,
  x: Float32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const weight = dequantize(w, outFeatures, inFeatures, false);
  matmul(y, x, weight, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** An int4 weight with one scale per row.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param x `[T, inFeatures]` @param w scales `[outFeatures]` */
export function matmulInt4ChannelExact(
  y: Float32Array,
  x: Float32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const weight = dequantize(w, outFeatures, inFeatures, true);
  matmul(y, x, weight, T, outFeatures, inFeatures, rowStart, rowEnd);
}
