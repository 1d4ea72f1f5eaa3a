/** The head: logits = x · Wᵀ, one row of W per token of the vocabulary. The same in 7B and 13B; W
 *  is not the embedding table. Source: baichuan-inc/Baichuan-7B, modeling_baichuan.py,
 *  `lm_head`. */

import type { LinearWeight } from '../kernels/kernels.ts';
import { expectShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { LayerContext } from './context.ts';
import { linear } from './linear.ts';

/** Scores every token of the vocabulary as the next one.
 *  @param x `[T, C]`, after the final norm @param weight `[V, C]` @returns logits `[T, V]`
 *  @throws shape-mismatch */
export function lmHead(x: Tensor, weight: LinearWeight, context: LayerContext): Tensor {
  expectShape('x', x, { T: 'any', C: context.config.hiddenSize });
  const logits = linear(x, weight, context);
  context.tap?.('logits', logits);
  return logits;
}
