/** Sizes of what lies in a bank: packed weights (see exports.ts for the pictures), rows of tables
 *  and blocks of the cache. */

import { BLOCK_POSITIONS, type ParameterRows, type WeightFormat } from '../kernels.ts';

/** Elements that share a scale. */
export const GROUP = 32;

/** Rows of a packed block. */
export const PACK_ROWS = 8;

const SCALE_BYTES = 2;

/** Room for a quantized activation, which takes 1 byte in the relaxed build, 2 in the baseline. */
export const ACTIVATION_BYTES = 2;

/** What a row block of an int4 weight is unpacked to, and its sums (assembly/int4-tiles.ts). */
const TILE_BYTES = 512 + 64 * PACK_ROWS * 4;

/** Tokens that are multiplied together; fewer need no scratch. */
const TILE_TOKENS = 4;

/** Scratch of an integer product. Every row block has its own, of which a range takes the first. */
export function matmulScratchBytes(format: WeightFormat, T: number, outFeatures: number): number {
  if (T < TILE_TOKENS || (format !== 'int4' && format !== 'int4-channel')) return 0;
  return Math.ceil(outFeatures / PACK_ROWS) * TILE_BYTES;
}

/** Groups of 32 that a row of `columns` takes, the last one filled up. */
export function groupsOf(columns: number): number {
  return Math.ceil(columns / GROUP);
}

/** Bytes of a packed block of 8 rows. */
export function packedBlockBytes(format: WeightFormat, inFeatures: number): number {
  const groups = groupsOf(inFeatures);
  switch (format) {
    case 'f32':
      return PACK_ROWS * 4 * inFeatures;
    case 'bf16':
    case 'f16':
      return PACK_ROWS * 2 * inFeatures;
    case 'int8':
      return PACK_ROWS * groups * (GROUP + SCALE_BYTES);
    case 'int4':
      return PACK_ROWS * groups * (GROUP / 2 + SCALE_BYTES);
    case 'int8-channel':
      return PACK_ROWS * (4 + groups * GROUP);
    case 'int4-channel':
      return PACK_ROWS * (4 + groups * (GROUP / 2));
  }
}

/** Bytes of a packed weight `[outFeatures, inFeatures]`. */
export function packedBytes(format: WeightFormat, outFeatures: number, inFeatures: number): number {
  return Math.ceil(outFeatures / PACK_ROWS) * packedBlockBytes(format, inFeatures);
}

/** Bytes of a row of a table: as floats, or in blocks of Q8_0. */
export function tableRowBytes(format: WeightFormat, columns: number): number {
  if (format === 'f32') return 4 * columns;
  if (format === 'bf16' || format === 'f16') return 2 * columns;
  return groupsOf(columns) * (GROUP + SCALE_BYTES);
}

/** Bytes of a row as a file holds it. */
export function rowBytes(dtype: ParameterRows['dtype'], columns: number): number {
  switch (dtype) {
    case 'F32':
      return 4 * columns;
    case 'F16':
    case 'BF16':
      return 2 * columns;
    case 'I8':
    case 'I4':
      return columns;
    case 'Q8_0':
      return groupsOf(columns) * (GROUP + SCALE_BYTES);
    case 'Q4_0':
      return groupsOf(columns) * (GROUP / 2 + SCALE_BYTES);
  }
}

/** How the cache holds keys and values. */
export type CacheFormat = 'f32' | 'int8';

/** Bytes of one block of the cache: 64 positions of one layer, keys and values of all heads. Rows
 *  of int8 take a multiple of 4 bytes and a float32 scale. */
export function cacheBlockBytes(format: CacheFormat, heads: number, headDim: number): number {
  const rowBytes = format === 'f32' ? 4 * headDim : 4 * Math.ceil(headDim / 4) + 4;
  return 2 * heads * BLOCK_POSITIONS * rowBytes;
}
