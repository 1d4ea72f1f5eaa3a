/** RMSNorm, per token: y = x / √(mean(x²) + eps) · weight. The same in 7B and 13B.
 *  Source: "Root Mean Square Layer Normalization", Zhang and Sennrich 2019, equation 4;
 *  baichuan-inc/Baichuan-7B, modeling_baichuan.py, class RMSNorm. */

import { expectShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { LayerContext } from './context.ts';

export interface RmsNormWeights {
  readonly path: string;
  readonly weight: Tensor; // [C]
}

/** Scales each token to unit root mean square, then each channel by its weight.
 *  @param x `[T, C]` @returns `[T, C]` @throws shape-mismatch */
export function rmsNorm(x: Tensor, weights: RmsNormWeights, context: LayerContext): Tensor {
  const { hiddenSize: C, rmsNormEps } = context.config;
  expectShape('x', x, { T: 'any', C });
  expectShape('weight', weights.weight, { C });
  const y = context.kernels.rmsNorm(x, weights.weight, rmsNormEps);
  context.tap?.(`${weights.path}.output`, y);
  return y;
}
