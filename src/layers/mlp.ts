/** The SwiGLU feed-forward: y = down( silu(gate(x)) · up(x) ). The same in 7B and 13B.
 *  Source: "GLU Variants Improve Transformer", Shazeer 2020, section 2; baichuan-inc/Baichuan-7B,
 *  modeling_baichuan.py, class MLP. */

import type { LinearWeight } from '../kernels/kernels.ts';
import { expectShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { isTapped, type LayerContext } from './context.ts';
import { linear } from './linear.ts';

export interface MlpWeights {
  readonly path: string;
  readonly gateProj: LinearWeight; // [F, C]
  readonly upProj: LinearWeight; // [F, C]
  readonly downProj: LinearWeight; // [C, F]
}

/** Widens each token to F channels, gates them, and narrows back.
 *  @param x `[T, C]` @returns `[T, C]` @throws shape-mismatch */
export function mlp(x: Tensor, weights: MlpWeights, context: LayerContext): Tensor {
  const { config, kernels, arena, tap } = context;
  const { T } = expectShape('x', x, { T: 'any', C: config.hiddenSize });

  const gate = linear(x, weights.gateProj, context);
  const up = linear(x, weights.upProj, context);

  const shape = [T, config.intermediateSize];
  const activated = isTapped(context, `${weights.path}.act_fn.output`)
    ? arena.allocate(shape)
    : null;
  const gated = kernels.siluMul(gate, up, activated);
  if (activated) tap?.(`${weights.path}.act_fn.output`, activated);
  tap?.(`${weights.downProj.path}.input`, gated);

  const y = linear(gated, weights.downProj, context);
  tap?.(`${weights.path}.output`, y);
  return y;
}
