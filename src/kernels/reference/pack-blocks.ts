/** Lays out rows of Q8_0 or Q4_0 blocks, as they lie in a GGUF file, in blocks of 8 rows. Nothing
 *  is quantized again: q and the 16 bits of a scale are what the file holds.
 *
 *      Q8_0, 34 bytes: | float16 scale | 32 × int8 |
 *      Q4_0, 18 bytes: | float16 scale | 16 × (q + 8 of element i, of i + 16 in the high half) |
 *
 *  Source: ggml/src/ggml-common.h of ggml-org/llama.cpp at c392e50, block_q8_0 and block_q4_0.
 *  What a file holds past the end of a row counts as q = 0. The mirror of assembly/pack-blocks.ts.
 *  */

import { GROUP_SIZE } from '../../tensor/quantized.ts';
import { BLOCK_ROWS, packedBlockBytes, storeInt4, storeInt8 } from './packed-layout.ts';

/** Packs rows `rowStart` to `rowEnd` of Q8_0; rows past `rows` in the last block are zeros.
 *  @param w blocks of int8 from row 0 on (overwritten from `rowStart` on)
 *  @param x file blocks `[rows, ceil(inFeatures / 32)]` @param rowStart a multiple of 8 */
export function packQ8_0(
  w: Uint8Array,
  x: Uint8Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const [groups, blockBytes] = [
    Math.ceil(inFeatures / GROUP_SIZE),
    packedBlockBytes('int8', inFeatures),
  ];
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const row = o % BLOCK_ROWS;
    for (let g = 0; g < groups; g++) {
      const target = Math.floor(o / BLOCK_ROWS) * blockBytes + g * 272;
      const count = o < rows ? Math.min(GROUP_SIZE, inFeatures - g * GROUP_SIZE) : 0;
      const block = x.subarray((o * groups + g) * 34, (o * groups + g + 1) * 34);
      w[target + 2 * row] = o < rows ? block[0] : 0;
      w[target + 2 * row + 1] = o < rows ? block[1] : 0;
      storeInt8(w, target + 16, row, Int8Array.from(block.subarray(2, 2 + count)));
    }
  }
}

/** Packs rows `rowStart` to `rowEnd` of Q4_0; rows past `rows` in the last block are zeros.
 *  @param w blocks of int4 from row 0 on (overwritten from `rowStart` on)
 *  @param x file blocks `[rows, ceil(inFeatures / 32)]` @param rowStart a multiple of 8 */
export function packQ4_0(
  w: Uint8Array,
  x: Uint8Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const [groups, blockBytes] = [
    Math.ceil(inFeatures / GROUP_SIZE),
    packedBlockBytes('int4', inFeatures),
  ];
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const row = o % BLOCK_ROWS;
    for (let g = 0; g < groups; g++) {
      const target = Math.floor(o / BLOCK_ROWS) * blockBytes + g * 144;
      const count = o < rows ? Math.min(GROUP_SIZE, inFeatures - g * GROUP_SIZE) : 0;
      const block = x.subarray((o * groups + g) * 18, (o * groups + g + 1) * 18);
      w[target + 2 * row] = o < rows ? block[0] : 0;
      w[target + 2 * row + 1] = o < rows ? block[1] : 0;
      const halves = Array.from({ length: count }, (_, i) =>
        i < 16 ? block[2 + i] % 16 : Math.floor(block[2 + i - 16] / 16),
      );
      storeInt4(
        w,
        target + 16,
        row,
        Int8Array.from(halves, (half) => half - 8),
      );
    }
  }
}
