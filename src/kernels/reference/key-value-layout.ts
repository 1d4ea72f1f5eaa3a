/** Where the WebAssembly kernels keep a layer's keys and values: blocks of 64 positions, all heads.
 *
 *      float32   | keys [H][4 groups][D][16 positions] |
 *                | values [H][D/32 groups][64 positions][32 channels] |
 *      int8      | keys [H][4 groups][B/4][16 positions][4 channels] |
 *                | values [H][B/16 groups][16 quads][16 channels][4 positions] |
 *                | key scales [H][64] float32 | value scales [H][64] float32 |
 *
 *  B is D rounded up to a multiple of 4; the last group of channels is as wide as what is left. A
 *  block starts at a multiple of 4 bytes. Slots are positions within a block. */

import { BLOCK_POSITIONS } from '../kernels.ts';

/** D rounded up to a multiple of 4: the channels that an int8 block has room for. */
export function paddedHeadDim(D: number): number {
  return 4 * Math.ceil(D / 4);
}

/** The float32 element of a block that holds channel i of a key. */
export function keyIndexF32(D: number, h: number, slot: number, i: number): number {
  const group = Math.floor(slot / 16);
  return ((h * 4 + group) * D + i) * 16 + (slot % 16);
}

/** The float32 element of a block that holds channel i of a value. */
export function valueIndexF32(H: number, D: number, h: number, slot: number, i: number): number {
  const start = i - (i % 32);
  const width = Math.min(32, D - start);
  return (H + h) * BLOCK_POSITIONS * D + start * BLOCK_POSITIONS + slot * width + (i - start);
}

/** The byte of a block that holds channel i of a key. */
export function keyIndexInt8(D: number, h: number, slot: number, i: number): number {
  const row = (h * 4 + Math.floor(slot / 16)) * (paddedHeadDim(D) / 4) + Math.floor(i / 4);
  return row * 64 + (slot % 16) * 4 + (i % 4);
}

/** The byte of a block that holds channel i of a value. */
export function valueIndexInt8(H: number, D: number, h: number, slot: number, i: number): number {
  const B = paddedHeadDim(D);
  const start = i - (i % 16);
  const width = Math.min(16, B - start);
  const quad = (Math.floor(slot / 4) * width + (i - start)) * 4 + (slot % 4);
  return (H + h) * BLOCK_POSITIONS * B + start * BLOCK_POSITIONS + quad;
}

/** The byte at which the key scales `[H][64]` begin; the value scales follow them. */
export function scalesOffsetInt8(H: number, D: number): number {
  return 2 * H * BLOCK_POSITIONS * paddedHeadDim(D);
}
