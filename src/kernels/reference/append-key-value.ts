/** Writes keys and values `[T, H, D]` of new tokens into blocks of 64 positions, token t at
 *  position `position` + t; key-value-layout.ts has the layout.
 *
 *  float32 is moved. int8 has one scale per head and position:
 *
 *      scale = max|x| / 127,  q = round(x · (127 / max|x|)), half to even
 *
 *  each step rounded to float32. Rows with max|x| < 2⁻¹⁰⁰ become 0 with scale 0; NaN and infinities
 *  become 0 with a scale of NaN or infinity. */

import { BLOCK_POSITIONS } from '../kernels.ts';
import {
  keyIndexF32,
  keyIndexInt8,
  keyScaleIndex,
  paddedHeadDim,
  valueIndexF32,
  valueIndexInt8,
  valueScaleIndex,
} from './key-value-layout.ts';

const LEAST = 2 ** -100;

/** Tokens `rowStart` to `rowEnd`.
 *  @param table blocks, oldest first (overwritten in those positions)
 *  @param key,value `[T, H, D]` */
export function appendKeyValueF32(
  table: readonly Float32Array[],
  key: Float32Array,
  value: Float32Array,
  H: number,
  D: number,
  position: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const block = table[Math.floor((position + t) / BLOCK_POSITIONS)];
    const slot = (position + t) % BLOCK_POSITIONS;
    for (let h = 0; h < H; h++) {
      for (let i = 0; i < D; i++) {
        block[keyIndexF32(D, h, slot, i)] = key[(t * H + h) * D + i];
        block[valueIndexF32(H, D, h, slot, i)] = value[(t * H + h) * D + i];
      }
    }
  }
}

/** Tokens `rowStart` to `rowEnd`.
 *  @param table blocks, oldest first (overwritten in those positions)
 *  @param key,value `[T, H, D]` */
export function appendKeyValueInt8(
  table: readonly Int8Array[],
  key: Float32Array,
  value: Float32Array,
  H: number,
  D: number,
  position: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const block = table[Math.floor((position + t) / BLOCK_POSITIONS)];
    const slot = (position + t) % BLOCK_POSITIONS;
    const view = new DataView(block.buffer, block.byteOffset);
    for (let h = 0; h < H; h++) {
      const row = (t * H + h) * D;
      const keys = quantizeRow(key.subarray(row, row + D));
      const values = quantizeRow(value.subarray(row, row + D));
      for (let i = 0; i < paddedHeadDim(D); i++) {
        block[keyIndexInt8(D, h, slot, i)] = keys.q[i] ?? 0;
        block[valueIndexInt8(H, D, h, slot, i)] = values.q[i] ?? 0;
      }
      view.setFloat32(keyScaleIndex(D, h, slot), keys.scale, true);
      view.setFloat32(valueScaleIndex(H, D, h, slot), values.scale, true);
    }
  }
}

/** One row as int8 with one scale: x is about q · scale. */
export function quantizeRow(x: Float32Array): { q: Int8Array; scale: number } {
  const greatest = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (greatest < LEAST) return { q: new Int8Array(x.length), scale: 0 };
  const inverse = Math.fround(127 / greatest);
  const q = Int8Array.from(x, (value) => roundHalfEven(Math.fround(value * inverse)));
  return { q, scale: Math.fround(greatest / 127) };
}

/** The nearest integer, the even one of two; 0 for NaN. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor === 0.5) return floor + (floor % 2 === 0 ? 0 : 1);
  return Math.round(x) || 0;
}
