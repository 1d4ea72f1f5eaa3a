/** The layouts of linear weights `[out, in]` that the WebAssembly kernels read: blocks of 8 output
 *  rows, so that the lanes of a vector are rows and no sum runs across lanes. Rows past the last
 *  one are zeros, and so is what completes the last group of 32.
 *
 *      float32        [in][8] × 4 bytes
 *      16 bits        [in][8] × 2 bytes
 *      int8           for each group:  8 float16 scales | 8 × [8 rows][4 k]
 *      int4           for each group:  8 float16 scales | 4 × [8 rows][4 k, with k + 16]
 *      int8-channel   8 float32 scales, then for each group 8 × [8 rows][4 k]
 *      int4-channel   8 float32 scales, then for each group 4 × [8 rows][4 k, with k + 16]
 *
 *  A byte of 4 bits each holds q + 8 of element k in its low half and of k + 16 in its high half: a
 *  row's 16 bytes are those of a Q4_0 block. */

import { encodeFloat16 } from '../../tensor/float16.ts';
import {
  GROUP_SIZE,
  QUANTIZED_RANGES,
  type QuantizedMatrix,
  type QuantizedType,
} from '../../tensor/quantized.ts';

/** Output rows of a block. */
export const BLOCK_ROWS = 8;

/** Bytes of a block of 8 rows.
 *  @param inFeatures weights of a row */
export function packedBlockBytes(
  type: QuantizedType | 'float32' | 'half',
  inFeatures: number,
): number {
  if (type === 'float32') return 4 * BLOCK_ROWS * inFeatures;
  if (type === 'half') return 2 * BLOCK_ROWS * inFeatures;
  return headerBytes(type) + Math.ceil(inFeatures / GROUP_SIZE) * groupBytes(type);
}

/** Stores one row of a block: its scales and integers.
 *  @param w blocks from row 0 on (overwritten in this row) @param matrix `[1, in]`
 *  @param o the row */
export function packRow(w: Uint8Array, matrix: QuantizedMatrix, o: number): void {
  const { type, shape, values, scales } = matrix;
  const inFeatures = shape[1];
  const view = new DataView(w.buffer, w.byteOffset, w.byteLength);
  const block = Math.floor(o / BLOCK_ROWS) * packedBlockBytes(type, inFeatures);
  const row = o % BLOCK_ROWS;
  const { isGrouped } = QUANTIZED_RANGES[type];
  if (!isGrouped) view.setFloat32(block + 4 * row, scales[0], true);
  for (let g = 0; g < Math.ceil(inFeatures / GROUP_SIZE); g++) {
    const offset = block + headerBytes(type) + g * groupBytes(type);
    const q = values.subarray(g * GROUP_SIZE, (g + 1) * GROUP_SIZE);
    if (isGrouped) view.setUint16(offset + 2 * row, encodeFloat16(scales[g]), true);
    const quads = offset + (isGrouped ? 2 * BLOCK_ROWS : 0);
    if (isEightBit(type)) storeInt8(w, quads, row, q);
    else storeInt4(w, quads, row, q);
  }
}

/** Stores the integers of a group: four bytes of a row together, those of the next row behind them.
 *  @param w blocks (overwritten in 8 quads) @param offset of the group's integers, in bytes
 *  @param row of the block, 0 … 7 @param q up to 32 */
export function storeInt8(w: Uint8Array, offset: number, row: number, q: Int8Array): void {
  for (let i = 0; i < 32; i++) {
    w[offset + 4 * BLOCK_ROWS * Math.floor(i / 4) + 4 * row + (i % 4)] = q[i] ?? 0;
  }
}

/** Stores the integers of a group, two in a byte.
 *  @param w blocks (overwritten in 4 quads) @param offset of the group's integers, in bytes
 *  @param row of the block, 0 … 7 @param q up to 32, in −8 … 7 */
export function storeInt4(w: Uint8Array, offset: number, row: number, q: Int8Array): void {
  for (let i = 0; i < 16; i++) {
    const [low, high] = [(q[i] ?? 0) + 8, (q[i + 16] ?? 0) + 8];
    w[offset + 4 * BLOCK_ROWS * Math.floor(i / 4) + 4 * row + (i % 4)] = low + 16 * high;
  }
}

function isEightBit(type: QuantizedType): boolean {
  return type === 'int8' || type === 'int8-channel';
}

/** Bytes of the scales before the first group. */
function headerBytes(type: QuantizedType): number {
  return QUANTIZED_RANGES[type].isGrouped ? 0 : 4 * BLOCK_ROWS;
}

/** Bytes of a group of all 8 rows, its scales included. */
function groupBytes(type: QuantizedType): number {
  const scales = QUANTIZED_RANGES[type].isGrouped ? 2 * BLOCK_ROWS : 0;
  return scales + (isEightBit(type) ? 32 : 16) * BLOCK_ROWS;
}
