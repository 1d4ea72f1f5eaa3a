/** Multi-head causal self-attention:
 *
 *      [q, k, v] = x · W_packᵀ             three blocks of C columns, H heads of D in each
 *      7B:  q, k turned by their positions                                         (rope.ts)
 *      scores    = q · kᵀ / √D,  13B: + slope · key position                       (alibi.ts)
 *      y         = softmax(scores, causal) · v · W_oᵀ
 *
 *  Keys and values go into the cache first and are read only from there, the present ones included:
 *  a chunked prompt, a batch and a single token take the same path.
 *  Source: "Attention Is All You Need", Vaswani et al. 2017, section 3.2; modeling_baichuan.py of
 *  baichuan-inc/Baichuan-7B and Baichuan-13B-Base, classes Attention and BaichuanAttention. */

import type { LinearWeight } from '../kernels/kernels.ts';
import { expectShape } from '../tensor/shape.ts';
import { reshape, sliceRows, swapFirstAxes, type Tensor } from '../tensor/tensor.ts';
import { isTapped, type LayerContext, type Segment } from './context.ts';
import { linear } from './linear.ts';
import { rope } from './rope.ts';

export interface AttentionWeights {
  readonly path: string;
  readonly wPack: LinearWeight; // [3C, C]
  readonly oProj: LinearWeight; // [C, C]
  readonly alibiSlopes: Float32Array | null; // [H] in 13B
}

/** Lets every token read the tokens up to itself.
 *  @param x `[T, C]`, normalized @returns `[T, C]` @throws shape-mismatch */
export function attention(x: Tensor, weights: AttentionWeights, context: LayerContext): Tensor {
  const { config, kernels, arena, segments, tap } = context;
  const { hiddenSize: C, numAttentionHeads: H, headDim: D } = config;
  const { T } = expectShape('x', x, { T: 'any', C });

  const qkv = linear(x, weights.wPack, context);
  const heads = (block: number) => reshape(kernels.columns(qkv, block * C, C), [T, H, D]);
  const q = rotated(heads(0), 'query_rotated', weights, context);
  const k = rotated(heads(1), 'key_rotated', weights, context);
  const v = heads(2);

  const joined = arena.allocate([T, H, D]);
  for (const segment of segments) {
    const rows = (x: Tensor) => sliceRows(x, segment.start, segment.start + segment.count);
    const cache = context.kvCache.view(context.layer, segment);
    kernels.appendKeyValue(rows(k), rows(v), cache);
    attend(rows(q), rows(joined), weights, context, segment);
  }

  const values = reshape(joined, [T, C]);
  tap?.(`${weights.oProj.path}.input`, values);
  const y = linear(values, weights.oProj, context);
  tap?.(`${weights.path}.output`, y);
  return y;
}

/** 7B: queries or keys turned by their positions. 13B: as they are. */
function rotated(
  x: Tensor,
  name: string,
  weights: AttentionWeights,
  context: LayerContext,
): Tensor {
  if (context.rotary === null) return x;
  const y = rope(x, context.rotary, context);
  context.tap?.(`${weights.path}.${name}`, swapFirstAxes(y));
  return y;
}

/** One sequence: target = softmax(q · kᵀ / √D + bias) · v. `target` is overwritten. */
function attend(
  q: Tensor,
  target: Tensor,
  weights: AttentionWeights,
  context: LayerContext,
  segment: Segment,
): void {
  const { config, kernels, arena, tap } = context;
  const [H, T, S] = [config.numAttentionHeads, segment.count, segment.position + segment.count];
  const cache = context.kvCache.view(context.layer, segment);
  const scale = 1 / Math.sqrt(config.headDim);
  const slopes = weights.alibiSlopes;

  const watch = (name: string) => (isTapped(context, name) ? arena.allocate([H, T, S]) : null);
  const observe = {
    scores: watch(`${weights.path}.scores`),
    probs: watch(`${weights.path}.probs`),
  };
  kernels.attention(q, cache, { scale, slopes, observe }, target);
  if (observe.scores) tap?.(`${weights.path}.scores`, observe.scores, segment);
  if (observe.probs) tap?.(`${weights.path}.probs`, observe.probs, segment);
}
