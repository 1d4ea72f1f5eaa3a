/** Quantizes rows of a table to Q8_0 blocks as they lie in a GGUF file, for the embedding:
 *
 *      yPtr | float16 scale | 32 × int8 |  for every 32 columns, 34 bytes, row after row
 *
 *  Lanes and arithmetic: group-scales.ts and quantize-group.ts, four rows at once. Remainder: a
 *  short last group is completed with q = 0. Error: none; the mirror is
 *  src/kernels/reference/quantize-rows.ts. */

import { inverseScales, scaleBits } from './float16';
import { int8Scales } from './group-scales';
import { storeInt8Group } from './quantize-group';

const GROUP_SIZE: usize = 32;
const BLOCK_BYTES: usize = 34;
/** Quads of a row follow each other without those of other rows. */
const QUAD_STRIDE: usize = 4;

/** @param yPtr Q8_0 blocks `[rows, ceil(C / 32)]` (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, C]` */
export function quantizeRowsQ8(
  yPtr: usize,
  xPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const rowBytes = C * 4;
  const yRowBytes = ((C + GROUP_SIZE - 1) / GROUP_SIZE) * BLOCK_BYTES;
  for (let row = rowStart; row < rowEnd; row += 4) {
    const rows = <isize>(rowEnd - row);
    let groupPtr = xPtr + row * rowBytes;
    let blockPtr = yPtr + row * yRowBytes;
    for (let k: usize = 0; k < C; k += GROUP_SIZE) {
      const count = <isize>(C - k);
      const bits = scaleBits(int8Scales(groupPtr, rowBytes, rows, count));
      const inverses = inverseScales(bits);
      store<u16>(blockPtr, <u16>i32x4.extract_lane(bits, 0));
      storeBlock(blockPtr, groupPtr, count, f32x4.extract_lane(inverses, 0));
      if (rows > 1) {
        const ptr = blockPtr + yRowBytes;
        store<u16>(ptr, <u16>i32x4.extract_lane(bits, 1));
        storeBlock(ptr, groupPtr + rowBytes, count, f32x4.extract_lane(inverses, 1));
      }
      if (rows > 2) {
        const ptr = blockPtr + 2 * yRowBytes;
        store<u16>(ptr, <u16>i32x4.extract_lane(bits, 2));
        storeBlock(ptr, groupPtr + 2 * rowBytes, count, f32x4.extract_lane(inverses, 2));
      }
      if (rows > 3) {
        const ptr = blockPtr + 3 * yRowBytes;
        store<u16>(ptr, <u16>i32x4.extract_lane(bits, 3));
        storeBlock(ptr, groupPtr + 3 * rowBytes, count, f32x4.extract_lane(inverses, 3));
      }
      groupPtr += GROUP_SIZE * 4;
      blockPtr += BLOCK_BYTES;
    }
  }
}

@inline
function storeBlock(blockPtr: usize, groupPtr: usize, count: isize, inverse: f32): void {
  storeInt8Group(blockPtr + 2, QUAD_STRIDE, groupPtr, count, inverse);
}
