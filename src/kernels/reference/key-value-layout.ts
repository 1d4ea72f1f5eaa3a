/** Where the WebAssembly kernels keep a layer's keys and values: blocks of 64 positions, all heads.
 *
 *      float32   | keys [H][4 groups][D][16 positions] |
 *                | values [H][D/32 groups][64 positions][32 channels] |
 *      int8      | H × 4 groups of: keys [B/4][16 positions][4 channels], 16 float32 scales |
 *                | value scales [H][64] float32 |
 *                | values [H][B/16 groups][16 quads][16 channels][4 positions] |
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
  return keyGroup(D, h, slot) + Math.floor(i / 4) * 64 + (slot % 16) * 4 + (i % 4);
}

/** The byte of a block at which the scale of a key lies. */
export function keyScaleIndex(D: number, h: number, slot: number): number {
  return keyGroup(D, h, slot) + 16 * paddedHeadDim(D) + (slot % 16) * 4;
}

function keyGroup(D: number, h: number, slot: number): number {
  return (h * 4 + Math.floor(slot / 16)) * 16 * (paddedHeadDim(D) + 4);
}

/** The byte of a block that holds channel i of a value. */
export function valueIndexInt8(H: number, D: number, h: number, slot: number, i: number): number {
  const start = i - (i % 16);
  const width = Math.min(16, paddedHeadDim(D) - start);
  const quad = (Math.floor(slot / 4) * width + (i - start)) * 4 + (slot % 4);
  const row = H * (paddedHeadDim(D) + 8) + h * paddedHeadDim(D) + start;
  return row * BLOCK_POSITIONS + quad;
}

/** The byte of a block at which the scale of a value lies. */
export function valueScaleIndex(H: number, D: number, h: number, slot: number): number {
  return (H * (paddedHeadDim(D) + 4) + 4 * h) * BLOCK_POSITIONS + 4 * slot;
}
