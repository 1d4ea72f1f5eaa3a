/** Interleaves rows of numbers, 8 at a time, without changing a bit:
 *  w[block, k, row] = x[8 · block + row, k]. The mirror of assembly/pack-floats.ts. */

import { BLOCK_ROWS } from './packed-layout.ts';

/** Packs rows `rowStart` to `rowEnd`; rows past `rows` in the last block are zeros.
 *  @param w `[blocks, inFeatures, 8]` from row 0 on (overwritten from `rowStart` on)
 *  @param x bits of float32 `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packF32(
  w: Uint32Array,
  x: Uint32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  interleave(w, x, rows, inFeatures, rowStart, rowEnd);
}

/** Packs rows `rowStart` to `rowEnd`; rows past `rows` in the last block are zeros.
 *  @param w `[blocks, inFeatures, 8]` from row 0 on (overwritten from `rowStart` on)
 *  @param x bits of 16-bit floats `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packHalf(
  w: Uint16Array,
  x: Uint16Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  interleave(w, x, rows, inFeatures, rowStart, rowEnd);
}

function interleave<Bits extends Uint16Array | Uint32Array>(
  w: Bits,
  x: Bits,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const block = Math.floor(o / BLOCK_ROWS) * BLOCK_ROWS * inFeatures;
    for (let k = 0; k < inFeatures; k++) {
      w[block + k * BLOCK_ROWS + (o % BLOCK_ROWS)] = o < rows ? x[o * inFeatures + k] : 0;
    }
  }
}
