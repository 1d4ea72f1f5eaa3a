/** Quantized activations times a transposed int8 weight; the mirror of assembly/matmul-int8.ts.
 *  The weight is unpacked here, and offsets are not needed: see matmul-integer.ts for the sums. */

import { matmulChannels, matmulGroups } from './matmul-integer.ts';
import type { QuantizedWeight } from './quantized-weight.ts';

/** A weight with a scale per group of 32.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param q `[G, T, 32]` @param scales `[G, T]` @param w scales `[outFeatures, G]` */
export function matmulInt8(
  y: Float32Array,
  q: Int8Array,
  scales: Float32Array,
  _offsets: Int32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  matmulGroups(y, q, scales, w, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** A weight with a scale per row.
 *  @param y `[T, outFeatures]` (overwritten in the columns rowStart to rowEnd)
 *  @param q `[G, T, 32]` @param scales `[G, T]` @param w scales `[outFeatures]` */
export function matmulInt8Channel(
  y: Float32Array,
  q: Int8Array,
  scales: Float32Array,
  _offsets: Int32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  matmulChannels(y, q, scales, w, T, outFeatures, inFeatures, rowStart, rowEnd);
}
