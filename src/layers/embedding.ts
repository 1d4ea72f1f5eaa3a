/** Token embedding: y[t] = table[tokenIds[t]]. The same in 7B and 13B; the table is not the head's.
 *  Source: baichuan-inc/Baichuan-13B-Base, modeling_baichuan.py, `embed_tokens`. */

import type { EmbeddingTable } from '../kernels/kernels.ts';
import { expectLength } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { LayerContext } from './context.ts';

export interface EmbeddingWeights {
  readonly path: string;
  readonly table: EmbeddingTable; // [V, C]
}

/** Looks every token up in the embedding table.
 *  @param tokenIds T ids, each in 0 … V − 1 @returns `[T, C]` @throws shape-mismatch */
export function embedding(
  tokenIds: readonly number[],
  weights: EmbeddingWeights,
  context: LayerContext,
): Tensor {
  const { vocabSize: V, hiddenSize: C } = context.config;
  expectLength('rows of the embedding table', weights.table.rows, V);
  expectLength('columns of the embedding table', weights.table.columns, C);
  const y = context.kernels.embedding(tokenIds, weights.table);
  context.tap?.(`${weights.path}.output`, y);
  return y;
}
