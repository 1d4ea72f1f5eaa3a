/** y = x · Wᵀ for the weights of the reference kernels. */

import { float32 } from '../../tensor/tensor.ts';
import { matmul } from './matmul.ts';
import type { ReferenceLinearWeight } from './parameters.ts';

/** Applies a weight to every row.
 *  @param y `[T, out]` (overwritten) @param x `[T, in]` */
export function linear(
  y: Float32Array,
  x: Float32Array,
  { weight, outFeatures, inFeatures }: ReferenceLinearWeight,
  T: number,
  _activations: 'exact' | 'fast',
): void {
  matmul(y, x, float32(weight), T, outFeatures, inFeatures, 0, outFeatures);
}
