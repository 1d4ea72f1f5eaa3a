/** Attention over the float32 blocks of the WebAssembly kernels: attention.ts, with keys and values
 *  found where key-value-layout.ts puts them. */

import { BLOCK_POSITIONS } from '../kernels.ts';
import { attention } from './attention.ts';
import { keyIndexF32, valueIndexF32 } from './key-value-layout.ts';

/** Heads `headStart` to `headEnd`.
 *  @param y `[T, H, D]` (overwritten in those heads) @param q `[T, H, D]`
 *  @param table blocks, oldest first @param slopes `[H]`, or null for no bias
 *  @param scores,probs `[H, T, S]` (overwritten in those heads), or null */
export function attentionF32(
  y: Float32Array,
  q: Float32Array,
  table: readonly Float32Array[],
  H: number,
  D: number,
  position: number,
  count: number,
  scale: number,
  slopes: Float32Array | null,
  scores: Float32Array | null,
  probs: Float32Array | null,
  headStart: number,
  headEnd: number,
): void {
  const rows = (indexOf: (h: number, slot: number, i: number) => number) =>
    table.map((block) =>
      Float32Array.from({ length: H * BLOCK_POSITIONS * D }, (_, index) => {
        const row = Math.floor(index / D);
        return block[indexOf(Math.floor(row / BLOCK_POSITIONS), row % BLOCK_POSITIONS, index % D)];
      }),
    );
  const keys = rows((h, slot, i) => keyIndexF32(D, h, slot, i));
  const values = rows((h, slot, i) => valueIndexF32(H, D, h, slot, i));
  const shape = { H, D, position, count, scale, slopes };
  attention(y, q, { keys, values }, shape, { scores, probs }, headStart, headEnd);
}
