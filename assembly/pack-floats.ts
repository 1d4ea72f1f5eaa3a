/** Packs rows of float32 or 16-bit numbers for the matrix kernels: 8 rows interleaved.
 *
 *      xPtr | row 0: x0 x1 x2 … | row 1: … |             [rows, inFeatures]
 *      wPtr | k = 0: rows 0 … 7 | k = 1: rows 0 … 7 | …  a block, the next 8 rows behind it
 *
 *  Lanes: 4 × 4 numbers of 4 bytes, or 8 × 8 of 2 bytes, are transposed in registers. Remainder:
 *  the last columns, and a last block with rows past `rows` (zeros), go one number at a time.
 *  Error: none, bits are moved; the mirror is src/kernels/reference/pack-floats.ts. */

const BLOCK_ROWS: usize = 8;

/** @param wPtr blocks from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packF32(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const rowBytes = inFeatures * 4;
  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + block * rowBytes;
    const firstPtr = xPtr + block * rowBytes;
    const isFull = block + BLOCK_ROWS <= rows;
    const vectorEnd = isFull ? inFeatures & ~3 : 0;

    for (let k: usize = 0; k < vectorEnd; k += 4) {
      transpose4x4(blockPtr + k * 32, firstPtr + k * 4, rowBytes);
      transpose4x4(blockPtr + k * 32 + 16, firstPtr + 4 * rowBytes + k * 4, rowBytes);
    }

    for (let k = vectorEnd; k < inFeatures; k++) {
      for (let row: usize = 0; row < BLOCK_ROWS; row++) {
        const exists = block + row < rows;
        const bits = exists ? load<u32>(firstPtr + row * rowBytes + k * 4) : 0;
        store<u32>(blockPtr + k * 32 + row * 4, bits);
      }
    }
  }
}

/** @param wPtr blocks from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr bits of 16-bit floats `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packHalf(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const rowBytes = inFeatures * 2;
  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + block * rowBytes;
    const firstPtr = xPtr + block * rowBytes;
    const isFull = block + BLOCK_ROWS <= rows;
    const vectorEnd = isFull ? inFeatures & ~7 : 0;

    for (let k: usize = 0; k < vectorEnd; k += 8) {
      transpose8x8(blockPtr + k * 16, firstPtr + k * 2, rowBytes);
    }

    for (let k = vectorEnd; k < inFeatures; k++) {
      for (let row: usize = 0; row < BLOCK_ROWS; row++) {
        const exists = block + row < rows;
        const bits = exists ? load<u16>(firstPtr + row * rowBytes + k * 2) : 0;
        store<u16>(blockPtr + k * 16 + row * 2, bits);
      }
    }
  }
}

/** Four rows, `rowBytes` apart, of four float32 to four columns, 32 bytes apart. */
@inline
function transpose4x4(wPtr: usize, xPtr: usize, rowBytes: usize): void {
  const x0 = v128.load(xPtr);
  const x1 = v128.load(xPtr + rowBytes);
  const x2 = v128.load(xPtr + 2 * rowBytes);
  const x3 = v128.load(xPtr + 3 * rowBytes);
  const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  v128.store(wPtr, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(wPtr, v128.shuffle<i64>(low01, low23, 1, 3), 32);
  v128.store(wPtr, v128.shuffle<i64>(high01, high23, 0, 2), 64);
  v128.store(wPtr, v128.shuffle<i64>(high01, high23, 1, 3), 96);
}

/** Eight rows, `rowBytes` apart, of eight 16-bit numbers to eight columns, 16 bytes apart: rows are
 *  paired number by number, the pairs paired, and those once more. */
@inline
function transpose8x8(wPtr: usize, xPtr: usize, rowBytes: usize): void {
  const x0 = v128.load(xPtr);
  const x1 = v128.load(xPtr + rowBytes);
  const x2 = v128.load(xPtr + 2 * rowBytes);
  const x3 = v128.load(xPtr + 3 * rowBytes);
  const x4 = v128.load(xPtr + 4 * rowBytes);
  const x5 = v128.load(xPtr + 5 * rowBytes);
  const x6 = v128.load(xPtr + 6 * rowBytes);
  const x7 = v128.load(xPtr + 7 * rowBytes);

  const low01 = v128.shuffle<i16>(x0, x1, 0, 8, 1, 9, 2, 10, 3, 11);
  const low23 = v128.shuffle<i16>(x2, x3, 0, 8, 1, 9, 2, 10, 3, 11);
  const low45 = v128.shuffle<i16>(x4, x5, 0, 8, 1, 9, 2, 10, 3, 11);
  const low67 = v128.shuffle<i16>(x6, x7, 0, 8, 1, 9, 2, 10, 3, 11);
  const high01 = v128.shuffle<i16>(x0, x1, 4, 12, 5, 13, 6, 14, 7, 15);
  const high23 = v128.shuffle<i16>(x2, x3, 4, 12, 5, 13, 6, 14, 7, 15);
  const high45 = v128.shuffle<i16>(x4, x5, 4, 12, 5, 13, 6, 14, 7, 15);
  const high67 = v128.shuffle<i16>(x6, x7, 4, 12, 5, 13, 6, 14, 7, 15);

  storeColumns(wPtr, low01, low23, low45, low67);
  storeColumns(wPtr + 64, high01, high23, high45, high67);
}

/** Four columns of eight rows from four vectors, each the columns of two rows in turn. */
@inline
function storeColumns(wPtr: usize, x01: v128, x23: v128, x45: v128, x67: v128): void {
  const first0123 = v128.shuffle<i32>(x01, x23, 0, 4, 1, 5);
  const first4567 = v128.shuffle<i32>(x45, x67, 0, 4, 1, 5);
  const second0123 = v128.shuffle<i32>(x01, x23, 2, 6, 3, 7);
  const second4567 = v128.shuffle<i32>(x45, x67, 2, 6, 3, 7);
  v128.store(wPtr, v128.shuffle<i64>(first0123, first4567, 0, 2));
  v128.store(wPtr, v128.shuffle<i64>(first0123, first4567, 1, 3), 16);
  v128.store(wPtr, v128.shuffle<i64>(second0123, second4567, 0, 2), 32);
  v128.store(wPtr, v128.shuffle<i64>(second0123, second4567, 1, 3), 48);
}
