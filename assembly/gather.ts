/** Rows of a table as float32: y[t] = table[ids[t]].
 *
 *      float32, bfloat16, binary16   | row 0: C elements | row 1 | …
 *      int8                          | row 0: ⌈C / 32⌉ groups of 34 bytes | row 1 | …
 *      a group                       | binary16 scale | q0 q1 … q31 |     y = float32(q) · scale
 *
 *  Sixteen-bit rows are widened exactly. Lanes of int8: sixteen elements a step. Remainder: one
 *  element a step; what lies past C in the last group is not read. Error: none but the rounding of
 *  one product, which the mirror has too. */

import { widenBf16, widenF16 } from './widen';

/** Elements and bytes of one group of int8. */
const GROUP: usize = 32;
const GROUP_BYTES: usize = 34;

/** @param yPtr `[R, C]` (overwritten in those rows) @param idsPtr uint32 `[R]` */
export function gatherF32(
  yPtr: usize,
  tablePtr: usize,
  idsPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    memory.copy(yPtr + t * C * 4, tablePtr + <usize>load<u32>(idsPtr + t * 4) * C * 4, C * 4);
  }
}

/** @param yPtr `[R, C]` (overwritten in those rows) @param idsPtr uint32 `[R]` */
export function gatherBf16(
  yPtr: usize,
  tablePtr: usize,
  idsPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    widenBf16(yPtr + t * C * 4, tablePtr + <usize>load<u32>(idsPtr + t * 4) * C * 2, C);
  }
}

/** @param yPtr `[R, C]` (overwritten in those rows) @param idsPtr uint32 `[R]` */
export function gatherF16(
  yPtr: usize,
  tablePtr: usize,
  idsPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    widenF16(yPtr + t * C * 4, tablePtr + <usize>load<u32>(idsPtr + t * 4) * C * 2, C);
  }
}

/** @param yPtr `[R, C]` (overwritten in those rows) @param tablePtr Q8_0 groups
 *  @param idsPtr uint32 `[R]` */
export function gatherInt8(
  yPtr: usize,
  tablePtr: usize,
  idsPtr: usize,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const rowBytes = ((C + GROUP - 1) / GROUP) * GROUP_BYTES;
  for (let t = rowStart; t < rowEnd; t++) {
    let group = tablePtr + <usize>load<u32>(idsPtr + t * 4) * rowBytes;
    let y = yPtr + t * C * 4;
    for (let left = C; left > 0; ) {
      const length = min(left, GROUP);
      dequantizeGroup(y, group + 2, length, float16(load<u16>(group)));
      left -= length;
      group += GROUP_BYTES;
      y += length * 4;
    }
  }
}

/** y[i] = float32(q[i]) · scale. */
function dequantizeGroup(yPtr: usize, qPtr: usize, count: usize, scale: f32): void {
  const scales = f32x4.splat(scale);
  const vectorEnd = qPtr + (count & ~15);
  const end = qPtr + count;
  while (qPtr < vectorEnd) {
    const q = v128.load(qPtr);
    const low = i16x8.extend_low_i8x16_s(q);
    const high = i16x8.extend_high_i8x16_s(q);
    v128.store(yPtr, scaled(i32x4.extend_low_i16x8_s(low), scales));
    v128.store(yPtr, scaled(i32x4.extend_high_i16x8_s(low), scales), 16);
    v128.store(yPtr, scaled(i32x4.extend_low_i16x8_s(high), scales), 32);
    v128.store(yPtr, scaled(i32x4.extend_high_i16x8_s(high), scales), 48);
    qPtr += 16;
    yPtr += 64;
  }
  while (qPtr < end) {
    store<f32>(yPtr, <f32>load<i8>(qPtr) * scale);
    qPtr += 1;
    yPtr += 4;
  }
}

@inline
function scaled(q: v128, scales: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(q), scales);
}

/** A binary16 pattern as float32, as in widen.ts. */
function float16(bits: u32): f32 {
  const magnitude = bits & 0x7fff;
  const value = reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x77800000); // 2¹¹²
  const special: u32 = magnitude >= 0x7c00 ? 0x7f800000 : 0; // the exponent of infinity
  return reinterpret<f32>(((bits & 0x8000) << 16) | reinterpret<u32>(value) | special);
}
