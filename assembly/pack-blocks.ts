/** Repacks rows of Q8_0 or Q4_0 blocks, as they lie in a GGUF file, for the matrix kernels: nothing
 *  is quantized again, bytes are moved.
 *
 *      Q8_0, 34 bytes: | float16 scale | 32 × int8 |
 *      Q4_0, 18 bytes: | float16 scale | 16 × (element i in the low half, i + 16 in the high) |
 *
 *  The target is that of pack-groups.ts. Lanes: four bytes of a word. Remainder: what a file holds
 *  past the end of a row counts as q = 0, and rows past `rows` are zeros with the scale 0. Error:
 *  none, bits are moved; the mirror is src/kernels/reference/pack-blocks.ts. */

const BLOCK_ROWS: usize = 8;
const GROUP_SIZE: usize = 32;
const QUAD_STRIDE: usize = 32;
const SCALES_BYTES: usize = 16;

/** @param wPtr blocks of int8 groups from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr file blocks `[rows, ceil(inFeatures / 32)]` @param rowStart a multiple of 8 */
export function packQ8_0(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groups = (inFeatures + GROUP_SIZE - 1) / GROUP_SIZE;
  const groupBytes = SCALES_BYTES + 8 * QUAD_STRIDE;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * groups * groupBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const exists = block + row < rows;
      let groupPtr = blockPtr;
      let filePtr = xPtr + (block + row) * groups * 34;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        const count = exists ? <isize>(inFeatures - k) : 0;
        store<u16>(groupPtr + 2 * row, exists ? load<u16>(filePtr) : 0);
        let quadPtr = groupPtr + SCALES_BYTES + 4 * row;
        for (let i: isize = 0; i < 32; i += 4) {
          const mask = bytesMask(count - i);
          store<u32>(quadPtr, mask === 0 ? 0 : load<u32>(filePtr + 2 + i) & mask);
          quadPtr += QUAD_STRIDE;
        }
        groupPtr += groupBytes;
        filePtr += 34;
      }
    }
  }
}

/** @param wPtr blocks of int4 groups from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr file blocks `[rows, ceil(inFeatures / 32)]` @param rowStart a multiple of 8 */
export function packQ4_0(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groups = (inFeatures + GROUP_SIZE - 1) / GROUP_SIZE;
  const groupBytes = SCALES_BYTES + 4 * QUAD_STRIDE;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * groups * groupBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const exists = block + row < rows;
      let groupPtr = blockPtr;
      let filePtr = xPtr + (block + row) * groups * 18;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        const count = exists ? <isize>(inFeatures - k) : 0;
        store<u16>(groupPtr + 2 * row, exists ? load<u16>(filePtr) : 0);
        let quadPtr = groupPtr + SCALES_BYTES + 4 * row;
        for (let i: isize = 0; i < 16; i += 4) {
          const low = bytesMask(count - i) & 0x0f0f0f0f;
          const mask = low | (bytesMask(count - i - 16) & 0xf0f0f0f0);
          const bytes = mask === 0 ? 0 : load<u32>(filePtr + 2 + i) & mask;
          store<u32>(quadPtr, bytes | (0x88888888 & ~mask)); // q + 8 for q = 0
          quadPtr += QUAD_STRIDE;
        }
        groupPtr += groupBytes;
        filePtr += 18;
      }
    }
  }
}

/** The first `count` bytes of four. */
@inline
function bytesMask(count: isize): u32 {
  if (count >= 4) return 0xffffffff;
  return count <= 0 ? 0 : ((<u32>1) << (<u32>count * 8)) - 1;
}
