/** The operations that layers are made of. A kernel set implements all of them; the layers never
 *  ask which one they have.
 *
 *  Shape letters: T tokens in this pass, S cached positions, H heads, D head size, C hidden size.
 *  Every result is allocated from the arena of the kernel set unless a target is passed. */

import type { Tensor } from '../tensor/tensor.ts';

/** Positions in one block of the key/value cache. */
export const BLOCK_POSITIONS = 64;

/** Published masks use the smallest float32 instead of −∞; a trace shows the same. */
export const MASKED_SCORE = -3.4028234663852886e38;

/** A linear layer's weight, `[outFeatures, inFeatures]`, in the private layout of a kernel set. */
export interface LinearWeight {
  /** Module path in the checkpoint; the tap of its output is `<path>.output`. */
  readonly path: string;
  readonly outFeatures: number;
  readonly inFeatures: number;
}

/** Keys and values of up to 64 positions of one layer, in the private layout of a kernel set. */
export interface KeyValueBlock {
  readonly heads: number;
  readonly headDim: number;
}

/** What attention sees of the cache: the blocks of one sequence in one layer, oldest first, and the
 *  positions `position` to `position + count` that the present pass adds. */
export interface KeyValueView {
  readonly blocks: readonly KeyValueBlock[];
  readonly position: number;
  readonly count: number;
}

export interface AttentionOptions {
  /** 1/√D, applied to q · k. */
  readonly scale: number;
  /** ALiBi: one slope per head, or null for a model with rotary positions. */
  readonly slopes: Float32Array | null;
  /** Scores and probabilities `[H, T, S]` (overwritten), where a trace wants them. */
  readonly observe: { readonly scores: Tensor | null; readonly probs: Tensor | null };
}

export interface Kernels {
  readonly name: string;

  /** Puts a weight into the layout of this kernel set.
   *  @param path module path @param weight `[out, in]`, which the kernel set may keep */
  pack(path: string, weight: Tensor): LinearWeight;

  /** Rows of a table: y[t] = table[ids[t]]. @returns `[T, C]` */
  embedding(tokenIds: readonly number[], table: Tensor): Tensor;

  /** RMSNorm per row: y = x / √(mean(x²) + eps) · weight. @returns `[T, C]` */
  rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor;

  /** y = x · Wᵀ. @returns `[T, outFeatures]` */
  linear(x: Tensor, weight: LinearWeight): Tensor;

  /** target = x + y, elementwise; `target` is overwritten. */
  add(x: Tensor, y: Tensor, target: Tensor): void;

  /** Columns start … start + count of every row. @returns `[T, count]` */
  columns(x: Tensor, start: number, count: number): Tensor;

  /** Chosen rows. @returns `[rows.length, C]` */
  gatherRows(x: Tensor, rows: readonly number[]): Tensor;

  /** Rotary positions on halves: (a, b) → (a·cos − b·sin, b·cos + a·sin), b being D/2 after a.
   *  @param x `[T, H, D]` @param cos,sin `[T, D/2]` @returns `[T, H, D]` */
  rotateHalves(x: Tensor, cos: Tensor, sin: Tensor): Tensor;

  /** silu(gate) · up, elementwise; `activated` (overwritten) takes silu(gate) for a trace.
   *  @returns `[T, F]` */
  siluMul(gate: Tensor, up: Tensor, activated: Tensor | null): Tensor;

  /** One empty block of the cache. */
  createBlock(heads: number, headDim: number): KeyValueBlock;

  /** Copies all positions of a block; `target` is overwritten. */
  copyBlock(source: KeyValueBlock, target: KeyValueBlock): void;

  /** Writes the keys and values of the view's new positions into its blocks.
   *  @param key,value `[T, H, D]`, T being `cache.count` */
  appendKeyValue(key: Tensor, value: Tensor, cache: KeyValueView): void;

  /** softmax(q · kᵀ · scale + bias) · v for the view's new positions, causal, head by head; keys
   *  and values come only from the cache.
   *  @param q `[T, H, D]` @param target `[T, H, D]` (overwritten) */
  attention(q: Tensor, cache: KeyValueView, options: AttentionOptions, target: Tensor): void;
}
