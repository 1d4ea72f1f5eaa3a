/** A linear layer without bias: y = x · Wᵀ, W being `[out, in]`. All of Baichuan's are of this
 *  form. Source: torch.nn.Linear(…, bias=False) in the published modeling_baichuan.py. */

import type { LinearWeight } from '../kernels/kernels.ts';
import { expectShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { LayerContext } from './context.ts';

/** Applies one weight to every token.
 *  @param x `[T, in]` @returns `[T, out]` @throws shape-mismatch */
export function linear(x: Tensor, weight: LinearWeight, context: LayerContext): Tensor {
  expectShape('x', x, { T: 'any', in: weight.inFeatures });
  const y = context.kernels.linear(x, weight);
  context.tap?.(`${weight.path}.output`, y);
  return y;
}
