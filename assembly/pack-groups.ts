/** Packs float32 rows as int8 or int4 groups of 32 for the matrix kernels, quantizing them.
 *
 *  A block holds 8 rows. Per group of 32 columns, for int8 (272 bytes) and int4 (144 bytes):
 *
 *      | 8 × float16 scale | 8 quads of k = 0 … 3 | of k = 4 … 7 | … | of k = 28 … 31 |
 *      | 8 × float16 scale | 8 quads of k = 0 … 3 and 16 … 19 | … | of 12 … 15 and 28 … 31 |
 *
 *  Lanes and arithmetic: group-scales.ts and quantize-group.ts, four rows at once. Remainder: a
 *  short last group is completed with q = 0, and rows past `rows` are zeros with the scale 0.
 *  Error: none; the mirror is src/kernels/reference/pack-groups.ts. */

import { inverseScales, scaleBits } from './float16';
import { int4Scales, int8Scales } from './group-scales';
import { storeInt4Group, storeInt8Group } from './quantize-group';

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
  const rowBytes = inFeatures * 4;
  const groupBytes = SCALES_BYTES + 8 * QUAD_STRIDE;
  const blockBytes = ((inFeatures + GROUP_SIZE - 1) / GROUP_SIZE) * groupBytes;

  for (let row = rowStart; row < rowEnd || row % BLOCK_ROWS !== 0; row += 4) {
    const rowPtr = xPtr + row * rowBytes;
    const existing = <isize>rows - <isize>row;
    let scalePtr = wPtr + (row / BLOCK_ROWS) * blockBytes + 2 * (row % BLOCK_ROWS);
    let valuesPtr = scalePtr - 2 * (row % BLOCK_ROWS) + SCALES_BYTES + 4 * (row % BLOCK_ROWS);
    for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
      const count = <isize>(inFeatures - k);
      const groupPtr = rowPtr + k * 4;
      const bits = scaleBits(int8Scales(groupPtr, rowBytes, existing, count));
      const inverses = inverseScales(bits);
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 0));
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 1), 2);
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 2), 4);
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 3), 6);
      const inverse0 = f32x4.extract_lane(inverses, 0);
      storeInt8Group(valuesPtr, QUAD_STRIDE, groupPtr, count, inverse0);
      const inverse1 = f32x4.extract_lane(inverses, 1);
      storeInt8Group(valuesPtr + 4, QUAD_STRIDE, groupPtr + rowBytes, count, inverse1);
      const inverse2 = f32x4.extract_lane(inverses, 2);
      storeInt8Group(valuesPtr + 8, QUAD_STRIDE, groupPtr + 2 * rowBytes, count, inverse2);
      const inverse3 = f32x4.extract_lane(inverses, 3);
      storeInt8Group(valuesPtr + 12, QUAD_STRIDE, groupPtr + 3 * rowBytes, count, inverse3);
      scalePtr += groupBytes;
      valuesPtr += groupBytes;
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
  const rowBytes = inFeatures * 4;
  const groupBytes = SCALES_BYTES + 4 * QUAD_STRIDE;
  const blockBytes = ((inFeatures + GROUP_SIZE - 1) / GROUP_SIZE) * groupBytes;

  for (let row = rowStart; row < rowEnd || row % BLOCK_ROWS !== 0; row += 4) {
    const rowPtr = xPtr + row * rowBytes;
    const existing = <isize>rows - <isize>row;
    let scalePtr = wPtr + (row / BLOCK_ROWS) * blockBytes + 2 * (row % BLOCK_ROWS);
    let valuesPtr = scalePtr - 2 * (row % BLOCK_ROWS) + SCALES_BYTES + 4 * (row % BLOCK_ROWS);
    for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
      const count = <isize>(inFeatures - k);
      const groupPtr = rowPtr + k * 4;
      const bits = scaleBits(int4Scales(groupPtr, rowBytes, existing, count));
      const inverses = inverseScales(bits);
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 0));
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 1), 2);
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 2), 4);
      store<u16>(scalePtr, <u16>i32x4.extract_lane(bits, 3), 6);
      const inverse0 = f32x4.extract_lane(inverses, 0);
      storeInt4Group(valuesPtr, QUAD_STRIDE, groupPtr, count, inverse0);
      const inverse1 = f32x4.extract_lane(inverses, 1);
      storeInt4Group(valuesPtr + 4, QUAD_STRIDE, groupPtr + rowBytes, count, inverse1);
      const inverse2 = f32x4.extract_lane(inverses, 2);
      storeInt4Group(valuesPtr + 8, QUAD_STRIDE, groupPtr + 2 * rowBytes, count, inverse2);
      const inverse3 = f32x4.extract_lane(inverses, 3);
      storeInt4Group(valuesPtr + 12, QUAD_STRIDE, groupPtr + 3 * rowBytes, count, inverse3);
      scalePtr += groupBytes;
      valuesPtr += groupBytes;
    }
  }
}
