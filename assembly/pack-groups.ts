/** Packs float32 rows as int8 or int4 groups of 32 for the matrix kernels, quantizing them.
 *
 *  A block holds 8 rows. Per group of 32 columns, for int8 (272 bytes) and int4 (144 bytes):
 *
 *      | 8 × float16 scale | 8 quads of k = 0 … 3 | of k = 4 … 7 | … | of k = 28 … 31 |
 *      | 8 × float16 scale | 8 quads of k = 0 … 3 and 16 … 19 | … | of 12 … 15 and 28 … 31 |
 *
 *  Lanes and arithmetic: quantize-group.ts. Remainder: a short last group is completed with q = 0,
 *  and rows past `rows` are zeros with the scale 0. Error: none; the mirror is
 *  src/kernels/reference/pack-groups.ts. */

import { quantizeInt4Group, quantizeInt8Group } from './quantize-group';
import { storeQuads } from './quads';

const BLOCK_ROWS: usize = 8;
const GROUP_SIZE: usize = 32;
const QUAD_STRIDE: usize = 32;
const SCALES_BYTES: usize = 16;

/** @param wPtr blocks of int8 groups from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packInt8(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groupBytes = SCALES_BYTES + 8 * QUAD_STRIDE;
  const blockBytes = ((inFeatures + GROUP_SIZE - 1) / GROUP_SIZE) * groupBytes;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * blockBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const isPadding = block + row >= rows;
      const rowPtr = xPtr + (block + row) * inFeatures * 4;
      let groupPtr = blockPtr;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        const scalePtr = groupPtr + 2 * row;
        const valuesPtr = groupPtr + SCALES_BYTES + 4 * row;
        if (isPadding) {
          store<u16>(scalePtr, 0);
          storeQuads(valuesPtr, QUAD_STRIDE, i8x16.splat(0));
          storeQuads(valuesPtr + 4 * QUAD_STRIDE, QUAD_STRIDE, i8x16.splat(0));
        } else {
          const count = <isize>(inFeatures - k);
          quantizeInt8Group(scalePtr, valuesPtr, QUAD_STRIDE, rowPtr + k * 4, count);
        }
        groupPtr += groupBytes;
      }
    }
  }
}

/** @param wPtr blocks of int4 groups from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packInt4(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groupBytes = SCALES_BYTES + 4 * QUAD_STRIDE;
  const blockBytes = ((inFeatures + GROUP_SIZE - 1) / GROUP_SIZE) * groupBytes;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * blockBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const isPadding = block + row >= rows;
      const rowPtr = xPtr + (block + row) * inFeatures * 4;
      let groupPtr = blockPtr;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        const scalePtr = groupPtr + 2 * row;
        const valuesPtr = groupPtr + SCALES_BYTES + 4 * row;
        if (isPadding) {
          store<u16>(scalePtr, 0);
          storeQuads(valuesPtr, QUAD_STRIDE, i8x16.splat(<i8>0x88)); // q + 8 for q = 0
        } else {
          const count = <isize>(inFeatures - k);
          quantizeInt4Group(scalePtr, valuesPtr, QUAD_STRIDE, rowPtr + k * 4, count);
        }
        groupPtr += groupBytes;
      }
    }
  }
}
