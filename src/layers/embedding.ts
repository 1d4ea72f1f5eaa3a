/** Token embedding: y[t] = table[tokenIds[t]]. The same in 7B and 13B; the table is not the head's.
 *  Source: baichuan-inc/Baichuan-13B-Base, modeling_baichuan.py, `embed_tokens`. */

import { expectShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { LayerContext } from './context.ts';

export interface EmbeddingWeights {
  readonly path: string;
  readonly table: Tensor; // [V, C]
}

/** Looks every token up in the embedding table.
 *  @param tokenIds T ids, each in 0 … V − 1 @returns `[T, C]` @throws shape-mismatch */
export function embedding(
  tokenIds: readonly number[],
  weights: EmbeddingWeights,
  context: LayerContext,
): Tensor {
  const { vocabSize: V, hiddenSize: C } = context.config;
  expectShape('embedding table', weights.table, { V, C });
  const y = context.kernels.embedding(tokenIds, weights.table);
  context.tap?.(`${weights.path}.output`, y);
  return y;
}
