/** Quantizes rows of a table to Q8_0 blocks as they lie in a GGUF file, for the embedding:
 *
 *      yPtr | float16 scale | 32 × int8 |  for every 32 columns, 34 bytes, row after row
 *
 *  Lanes and arithmetic: quantize-group.ts. Remainder: a short last group is completed with q = 0.
 *  Error: none; the mirror is src/kernels/reference/quantize-rows.ts. */

import { quantizeInt8Group } from './quantize-group';

const GROUP_SIZE: usize = 32;
const BLOCK_BYTES: usize = 34;

/** @param yPtr Q8_0 blocks `[rows, ceil(C / 32)]` (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, C]` */
export function quantizeRowsQ8(
  yPtr: usize,
  xPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const rowBytes = ((C + GROUP_SIZE - 1) / GROUP_SIZE) * BLOCK_BYTES;
  for (let row = rowStart; row < rowEnd; row++) {
    let blockPtr = yPtr + row * rowBytes;
    const rowPtr = xPtr + row * C * 4;
    for (let k: usize = 0; k < C; k += GROUP_SIZE) {
      quantizeInt8Group(blockPtr, blockPtr + 2, 4, rowPtr + k * 4, <isize>(C - k));
      blockPtr += BLOCK_BYTES;
    }
  }
}
