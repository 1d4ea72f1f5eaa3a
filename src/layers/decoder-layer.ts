/** One decoder layer, pre-normalized with two residual branches. The same in 7B and 13B:
 *
 *      h = x + attention(norm₁(x))
 *      y = h + mlp(norm₂(h))
 *
 *  Source: baichuan-inc/Baichuan-7B, modeling_baichuan.py, class DecoderLayer. */

import { expectShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type AttentionWeights, attention } from './attention.ts';
import type { LayerContext } from './context.ts';
import { type MlpWeights, mlp } from './mlp.ts';
import { type RmsNormWeights, rmsNorm } from './rms-norm.ts';

export interface DecoderLayerWeights {
  readonly path: string;
  readonly inputLayernorm: RmsNormWeights;
  readonly selfAttn: AttentionWeights;
  readonly postAttentionLayernorm: RmsNormWeights;
  readonly mlp: MlpWeights;
}

/** Adds what attention and the feed-forward find to the residual stream.
 *  @param x `[T, C]` @param y `[T, C]` (overwritten) the result, outside of the memory that the
 *  layer takes from the arena and gives back @returns y @throws shape-mismatch */
export function decoderLayer(
  x: Tensor,
  weights: DecoderLayerWeights,
  context: LayerContext,
  y: Tensor,
): Tensor {
  const { config, kernels, arena } = context;
  const { T } = expectShape('x', x, { T: 'any', C: config.hiddenSize });
  expectShape('y', y, { T, C: config.hiddenSize });
  const mark = arena.mark();

  const h = arena.allocate(x.shape);
  const branch = arena.mark();
  kernels.add(
    x,
    attention(rmsNorm(x, weights.inputLayernorm, context), weights.selfAttn, context),
    h,
  );
  arena.release(branch);

  kernels.add(h, mlp(rmsNorm(h, weights.postAttentionLayernorm, context), weights.mlp, context), y);

  arena.release(mark);
  context.tap?.(`${weights.path}.output`, y);
  return y;
}
