/** Writes keys and values `[T, H, D]` of new tokens into the cache: blocks of 64 positions of one
 *  layer, token t at position `position` + t. B is D rounded up to a multiple of 4.
 *
 *      float32 block   | keys [H][4 groups][D][16 positions] |
 *                      | values [H][D/32 groups][64 positions][32 channels] |
 *      int8 block      | H × 4 groups of: keys [B/4][16 positions][4 channels], scales [16] f32 |
 *                      | value scales [H][64] f32 |
 *                      | values [H][B/16 groups][16 quads][16 channels][4 positions] i8 |
 *
 *  The last group of channels is as wide as what is left. So attention finds its lanes side by side
 *  and reads whole cache lines in the order in which they lie.
 *
 *  int8: per head and position, scale = max|x| / 127 and q = round(x · (127 / max|x|)), half to
 *  even, so |x − q · scale| ≤ (1/2 + 2⁻¹⁵) · scale. Channels D … B − 1 hold zeros. A row with
 *  max|x| < 2⁻¹⁰⁰ becomes zeros with scale 0; one with an infinity or NaN gets such a scale, so
 *  that what reads it becomes NaN.
 *
 *  Keys and values are moved element by element, four channels a step: this is a transposition of
 *  a few kilobytes per token. Error: none; the mirror has the same bits. */

import { greatestMagnitude, int8Inverse, int8Scale, quantizeLanes } from './int8-row';

/** Tokens `rowStart` to `rowEnd`.
 *  @param tablePtr pointers of the blocks, oldest first (blocks overwritten in those positions)
 *  @param keyPtr,valuePtr `[T, H, D]` */
export function appendKeyValueF32(
  tablePtr: usize,
  keyPtr: usize,
  valuePtr: usize,
  H: usize,
  D: usize,
  position: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const s = position + t;
    const block = <usize>load<u32>(tablePtr + (s >> 6) * 4);
    const slot = s & 63;
    for (let h: usize = 0; h < H; h++) {
      const row = (t * H + h) * D * 4;
      let key = block + (h * 64 + (slot & ~15)) * D * 4 + (slot & 15) * 4;
      for (let i: usize = 0; i < D; i++) {
        store<f32>(key, load<f32>(keyPtr + row + i * 4));
        key += 64;
      }
      const values = block + (H + h) * D * 256;
      for (let i: usize = 0; i < D; i += 32) {
        const width = min<usize>(D - i, 32);
        memory.copy(values + (i * 64 + slot * width) * 4, valuePtr + row + i * 4, width * 4);
      }
    }
  }
}

/** Tokens `rowStart` to `rowEnd`.
 *  @param tablePtr pointers of the blocks, oldest first (blocks overwritten in those positions)
 *  @param keyPtr,valuePtr `[T, H, D]` */
export function appendKeyValueInt8(
  tablePtr: usize,
  keyPtr: usize,
  valuePtr: usize,
  H: usize,
  D: usize,
  position: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const B = (D + 3) & ~3;
  for (let t = rowStart; t < rowEnd; t++) {
    const s = position + t;
    const block = <usize>load<u32>(tablePtr + (s >> 6) * 4);
    const slot = s & 63;
    for (let h: usize = 0; h < H; h++) {
      const row = (t * H + h) * D * 4;
      const group = block + (h * 4 + (slot >> 4)) * (B + 4) * 16;
      const scale = writeKey(group + (slot & 15) * 4, keyPtr + row, D);
      store<f32>(group + B * 16 + (slot & 15) * 4, scale);
      const scales = block + (H * (B + 4) + h * 4) * 64;
      const values = block + (H * (B + 8) + h * B) * 64;
      store<f32>(scales + slot * 4, writeValue(values, valuePtr + row, D, slot));
    }
  }
}

/** Four channels side by side, every 64 bytes. @returns the scale */
function writeKey(keysPtr: usize, xPtr: usize, D: usize): f32 {
  const greatest = greatestMagnitude(xPtr, D);
  const inverse = int8Inverse(greatest);
  for (let i: usize = 0; i < D; i += 4) {
    v128.store_lane<u32>(keysPtr + i * 16, quantizeLanes(xPtr + i * 4, D - i, inverse), 0);
  }
  return int8Scale(greatest);
}

/** One channel every 4 bytes. @returns the scale */
function writeValue(valuesPtr: usize, xPtr: usize, D: usize, slot: usize): f32 {
  const greatest = greatestMagnitude(xPtr, D);
  const inverse = int8Inverse(greatest);
  const B = (D + 3) & ~3;
  for (let i: usize = 0; i < D; i += 4) {
    const q = quantizeLanes(xPtr + i * 4, D - i, inverse);
    const group = i & ~15;
    const width = min<usize>(B - group, 16);
    const y = valuesPtr + group * 64 + (slot >> 2) * width * 4 + (i - group) * 4 + (slot & 3);
    v128.store_lane<u8>(y, q, 0);
    v128.store_lane<u8>(y, q, 1, 4);
    v128.store_lane<u8>(y, q, 2, 8);
    v128.store_lane<u8>(y, q, 3, 12);
  }
  return int8Scale(greatest);
}
