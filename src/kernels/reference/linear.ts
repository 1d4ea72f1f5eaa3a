/** y = x · Wᵀ for every weight of the reference kernels: float32 weights as they are, quantized
 *  ones dequantized first (`exact`) or met by activations in groups of int8 (`fast`). */

import type { QuantizedMatrix } from '../../tensor/quantized.ts';
import { matmul } from './matmul.ts';
import { matmulChannels, matmulGroups } from './matmul-integer.ts';
import { type ReferenceLinearWeight, rowsOf } from './parameters.ts';
import { quantizeActivations } from './quantize-activations.ts';
import { GROUP, groupsOf } from './quantized-weight.ts';

/** Rows dequantized at once. */
const BLOCK_ROWS = 64;

/** Applies a weight to every row.
 *  @param y `[T, out]` (overwritten) @param x `[T, in]` */
export function linear(
  y: Float32Array,
  x: Float32Array,
  weight: ReferenceLinearWeight,
  T: number,
  activations: 'exact' | 'fast',
): void {
  const { numbers, outFeatures, inFeatures } = weight;
  if (numbers.floats !== undefined) {
    matmul(y, x, numbers.floats, T, outFeatures, inFeatures, 0, outFeatures);
    return;
  }
  if (activations === 'fast') {
    linearFast(y, x, weight, numbers.quantized, T);
    return;
  }
  for (let row = 0; row < outFeatures; row += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, outFeatures - row);
    const part = new Float32Array(T * count);
    matmul(part, x, rowsOf(numbers, row, count, inFeatures), T, count, inFeatures, 0, count);
    for (let t = 0; t < T; t++) {
      y.set(part.subarray(t * count, (t + 1) * count), t * outFeatures + row);
    }
  }
}

/** Integer dots with activations in groups of int8. */
function linearFast(
  y: Float32Array,
  x: Float32Array,
  { format, outFeatures, inFeatures }: ReferenceLinearWeight,
  quantized: QuantizedMatrix,
  T: number,
): void {
  const G = groupsOf(inFeatures);
  const q = new Int8Array(T * G * GROUP);
  const [scales, offsets] = [new Float32Array(T * G), new Int32Array(T * G)];
  quantizeActivations(q, scales, offsets, x, T, inFeatures, 0, T);
  const isGrouped = format === 'int8' || format === 'int4';
  const multiply = isGrouped ? matmulGroups : matmulChannels;
  multiply(y, q, scales, quantized, T, outFeatures, inFeatures, 0, outFeatures);
}
