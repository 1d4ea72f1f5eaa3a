/** The operations that layers are made of. A kernel set implements all of them; the layers never
 *  ask which one they have.
 *
 *  Shape letters: T tokens in this pass, S cached positions, H heads, D head size, C hidden size.
 *  Every result is allocated from the arena where the input lies unless a target is passed.
 *
 *  A kernel set may keep a model in several memories (`banks`), each with an arena of its own. What
 *  belongs to one `Place` lies in one of them; `moveTo` is the only operation between two. */

import type { Arena } from '../tensor/arena.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Positions in one block of the key/value cache. */
export const BLOCK_POSITIONS = 64;

/** Published masks use the smallest float32 instead of −∞; a trace shows the same. */
export const MASKED_SCORE = -3.4028234663852886e38;

/** Where the parts of a model lie: the embedding, a decoder layer by its number, or final norm and
 *  head. */
export type Place = 'embedding' | number | 'head';

/** How a kernel set holds the numbers of a weight: as floats, in groups of 32 with a float16 scale
 *  (`int8`, `int4`), or as the published quantizer does, with one float32 scale per row. */
export type WeightFormat =
  | 'f32'
  | 'bf16'
  | 'f16'
  | 'int8'
  | 'int4'
  | 'int8-channel'
  | 'int4-channel';

/** Whole rows of a parameter as a file holds them, little-endian. */
export interface ParameterRows {
  /** `I8` and `I4` have one float32 scale per row; Q8_0 and Q4_0 hold theirs in their blocks. `I4`
   *  are integers in −8 … 7, one a byte. */
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'I8' | 'I4';
  readonly bytes: Uint8Array;
  /** For `I8` and `I4`: the scales of these rows. */
  readonly scales?: Float32Array | undefined;
}

/** A parameter whose memory is there and whose numbers still come, rows after rows. */
export interface Parameter<Weight> {
  readonly weight: Weight;
  /** Takes rows in order; every row exactly once.
   *  @param row the first of them */
  write(row: number, rows: ParameterRows): void;
}

/** A linear layer's weight, `[outFeatures, inFeatures]`, in the private layout of a kernel set. */
export interface LinearWeight {
  /** Module path in the checkpoint; the tap of its output is `<path>.output`. */
  readonly path: string;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly format: WeightFormat;
}

/** A table of rows, `[rows, columns]`, in the private layout of a kernel set. */
export interface EmbeddingTable {
  readonly rows: number;
  readonly columns: number;
  readonly format: WeightFormat;
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

  /** All arenas, one per memory. */
  readonly arenas: readonly Arena[];

  /** The arena of the memory that holds a part of the model. */
  arenaOf(place: Place): Arena;

  /** The tensor itself if it lies in that arena's memory, else a copy there. */
  moveTo(arena: Arena, x: Tensor): Tensor;

  /** Makes room for the weight of a linear layer.
   *  @param path module path @param shape `[out, in]` @throws out-of-memory */
  createLinear(
    path: string,
    shape: readonly [number, number],
    format: WeightFormat,
    place: Place,
  ): Parameter<LinearWeight>;

  /** Makes room for a table of rows. @param shape `[rows, columns]` @throws out-of-memory */
  createTable(
    shape: readonly [number, number],
    format: WeightFormat,
    place: Place,
  ): Parameter<EmbeddingTable>;

  /** Makes room for a vector, always float32; it comes as one row. @throws out-of-memory */
  createVector(length: number, place: Place): Parameter<Tensor>;

  /** Rows of a table: y[t] = table[ids[t]]. @returns `[T, C]` */
  embedding(tokenIds: readonly number[], table: EmbeddingTable): Tensor;

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

  /** One empty block of the cache for a decoder layer. @throws out-of-memory */
  createBlock(layer: number, heads: number, headDim: number): KeyValueBlock;

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
