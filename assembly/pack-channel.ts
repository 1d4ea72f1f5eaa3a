/** Packs rows with one float32 scale each for the matrix kernels: float32 rows, quantized as the
 *  published code does, or rows that already are integers, one a byte.
 *
 *      scale = max|w| / 127 or / 7;   q = w / scale, rounded half to even
 *
 *  A block holds 8 rows; a group is 256 bytes of int8 or 128 bytes of int4:
 *
 *      | 8 × float32 scale | group 0: quads as in pack-groups.ts | group 1 | …
 *
 *  Lanes are elements. Remainder: a short last group is completed with q = 0, and rows past `rows`
 *  are zeros with the scale 0. A row that is not finite has the scale NaN and q = 0. Error: none;
 *  the mirror is src/kernels/reference/pack-channel.ts. */

import { loadSome, packNibbles, packQuads, storeQuads } from './quads';

const BLOCK_ROWS: usize = 8;
const GROUP_SIZE: usize = 32;
const QUAD_STRIDE: usize = 32;
const SCALES_BYTES: usize = 32;

/** @param wPtr blocks of int8-channel from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packInt8Channel(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groups = (inFeatures + GROUP_SIZE - 1) / GROUP_SIZE;
  const blockBytes = SCALES_BYTES + groups * 8 * QUAD_STRIDE;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * blockBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const isPadding = block + row >= rows;
      const rowPtr = xPtr + (block + row) * inFeatures * 4;
      const scale: f32 = isPadding ? 0 : rowScale(rowPtr, inFeatures, 127);
      store<f32>(blockPtr + 4 * row, scale);

      let valuesPtr = blockPtr + SCALES_BYTES + 4 * row;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        let low = i8x16.splat(0);
        let high = i8x16.splat(0);
        if (scale > 0) {
          const count = <isize>(inFeatures - k);
          low = quantize16(rowPtr + k * 4, count, scale, -127, 127);
          high = quantize16(rowPtr + k * 4 + 64, count - 16, scale, -127, 127);
        }
        storeQuads(valuesPtr, QUAD_STRIDE, low);
        storeQuads(valuesPtr + 4 * QUAD_STRIDE, QUAD_STRIDE, high);
        valuesPtr += 8 * QUAD_STRIDE;
      }
    }
  }
}

/** @param wPtr blocks of int4-channel from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param xPtr float32 `[rows, inFeatures]` @param rowStart a multiple of 8 */
export function packInt4Channel(
  wPtr: usize,
  xPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groups = (inFeatures + GROUP_SIZE - 1) / GROUP_SIZE;
  const blockBytes = SCALES_BYTES + groups * 4 * QUAD_STRIDE;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * blockBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const isPadding = block + row >= rows;
      const rowPtr = xPtr + (block + row) * inFeatures * 4;
      const scale: f32 = isPadding ? 0 : rowScale(rowPtr, inFeatures, 7);
      store<f32>(blockPtr + 4 * row, scale);

      let valuesPtr = blockPtr + SCALES_BYTES + 4 * row;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        let low = i8x16.splat(0);
        let high = i8x16.splat(0);
        if (scale > 0) {
          const count = <isize>(inFeatures - k);
          low = quantize16(rowPtr + k * 4, count, scale, -8, 7);
          high = quantize16(rowPtr + k * 4 + 64, count - 16, scale, -8, 7);
        }
        storeQuads(valuesPtr, QUAD_STRIDE, packNibbles(low, high));
        valuesPtr += 4 * QUAD_STRIDE;
      }
    }
  }
}

/** @param wPtr blocks of int8-channel from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param valuesPtr int8 `[rows, inFeatures]` @param scalesPtr float32 `[rows]`
 *  @param rowStart a multiple of 8 */
export function packInt8ChannelValues(
  wPtr: usize,
  valuesPtr: usize,
  scalesPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groups = (inFeatures + GROUP_SIZE - 1) / GROUP_SIZE;
  const blockBytes = SCALES_BYTES + groups * 8 * QUAD_STRIDE;
  const quadsEnd = groups * 8;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * blockBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const exists = block + row < rows;
      const rowPtr = valuesPtr + (block + row) * inFeatures;
      store<u32>(blockPtr + 4 * row, exists ? load<u32>(scalesPtr + (block + row) * 4) : 0);

      let quadPtr = blockPtr + SCALES_BYTES + 4 * row;
      const fullEnd = exists ? inFeatures / 4 : 0;
      for (let quad: usize = 0; quad < fullEnd; quad++) {
        store<u32>(quadPtr, load<u32>(rowPtr + quad * 4));
        quadPtr += QUAD_STRIDE;
      }
      for (let quad = fullEnd; quad < quadsEnd; quad++) {
        let bytes: u32 = 0;
        for (let k = quad * 4; exists && k < min(quad * 4 + 4, inFeatures); k++) {
          bytes |= (<u32>load<u8>(rowPtr + k)) << (<u32>(k & 3) * 8);
        }
        store<u32>(quadPtr, bytes);
        quadPtr += QUAD_STRIDE;
      }
    }
  }
}

/** @param wPtr blocks of int4-channel from row 0 on (overwritten from `rowStart` to `rowEnd`)
 *  @param valuesPtr int8 in −8 … 7 `[rows, inFeatures]` @param scalesPtr float32 `[rows]`
 *  @param rowStart a multiple of 8 */
export function packInt4ChannelValues(
  wPtr: usize,
  valuesPtr: usize,
  scalesPtr: usize,
  rows: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const groups = (inFeatures + GROUP_SIZE - 1) / GROUP_SIZE;
  const blockBytes = SCALES_BYTES + groups * 4 * QUAD_STRIDE;

  for (let block = rowStart; block < rowEnd; block += BLOCK_ROWS) {
    const blockPtr = wPtr + (block / BLOCK_ROWS) * blockBytes;
    for (let row: usize = 0; row < BLOCK_ROWS; row++) {
      const exists = block + row < rows;
      const rowPtr = valuesPtr + (block + row) * inFeatures;
      store<u32>(blockPtr + 4 * row, exists ? load<u32>(scalesPtr + (block + row) * 4) : 0);

      let quadPtr = blockPtr + SCALES_BYTES + 4 * row;
      for (let k: usize = 0; k < inFeatures; k += GROUP_SIZE) {
        const count = exists ? <isize>(inFeatures - k) : 0;
        const low = loadBytes(rowPtr + k, count);
        const high = loadBytes(rowPtr + k + 16, count - 16);
        storeQuads(quadPtr, QUAD_STRIDE, packNibbles(low, high));
        quadPtr += 4 * QUAD_STRIDE;
      }
    }
  }
}

/** Up to sixteen bytes, completed with zeros.
 *  @param count how many; 0 or less for none, more than 16 for 16 */
@inline
function loadBytes(ptr: usize, count: isize): v128 {
  if (count >= 16) return v128.load(ptr);
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: isize = 0; i < count; i++) {
    const byte = <u64>load<u8>(ptr + i);
    if (i < 8) low |= byte << (<u64>i * 8);
    else high |= byte << (<u64>(i - 8) * 8);
  }
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
}

/** max|w| / greatest over a row; NaN where one is not finite. The bit patterns of magnitudes are
 *  ordered as the magnitudes are, and those of NaN come after infinity. */
function rowScale(xPtr: usize, count: usize, greatest: f32): f32 {
  const magnitudeMask = i32x4.splat(0x7fffffff);
  const xEnd = xPtr + count * 4;
  let most = i32x4.splat(0);
  for (; xPtr + 16 <= xEnd; xPtr += 16) {
    most = i32x4.max_s(most, v128.and(v128.load(xPtr), magnitudeMask));
  }
  most = i32x4.max_s(most, v128.and(loadSome(xPtr, <isize>(xEnd - xPtr) / 4), magnitudeMask));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  most = i32x4.max_s(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  const bits = i32x4.extract_lane(most, 0);
  return bits < 0x7f800000 ? reinterpret<f32>(bits) / greatest : f32.NaN;
}

/** Sixteen weights as int8: clamp(round(w / scale)).
 *  @param count how many there are; the rest are zeros */
@inline
function quantize16(xPtr: usize, count: isize, scale: f32, least: f32, greatest: f32): v128 {
  return packQuads(
    quantize4(xPtr, count, scale, least, greatest),
    quantize4(xPtr + 16, count - 4, scale, least, greatest),
    quantize4(xPtr + 32, count - 8, scale, least, greatest),
    quantize4(xPtr + 48, count - 12, scale, least, greatest),
  );
}

@inline
function quantize4(xPtr: usize, count: isize, scale: f32, least: f32, greatest: f32): v128 {
  const scaled = f32x4.div(loadSome(xPtr, count), f32x4.splat(scale));
  const clamped = f32x4.pmax(f32x4.pmin(scaled, f32x4.splat(greatest)), f32x4.splat(least));
  // 1.5 · 2²³, where float32 numbers lie one apart: the sum is rounded half to even.
  const shifted = f32x4.add(clamped, f32x4.splat(12582912.0));
  return i32x4.sub(shifted, i32x4.splat(0x4b400000));
}
