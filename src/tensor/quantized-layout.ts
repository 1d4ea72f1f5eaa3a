/** Quantized rows as two plain arrays, and as they lie in blocks (file-blocks.ts).
 *
 *      8 bits   values  [rows, columns]       int8, q
 *      4 bits   values  [rows, columns / 2]   byte j holds q + 8 of weight 2j in its low half and
 *                                             of weight 2j + 1 in its high half
 *      scales by group  [rows, ⌈columns / 32⌉] float16
 *
 *  Nothing is rounded on the way: q and the 16 bits of a scale are copied. */

import { FILE_BLOCK_BYTES, type FileBlockType } from './file-blocks.ts';
import { GROUP_SIZE } from './quantized.ts';

/** Two weights of q = 0. */
const ZERO_PAIR = 0x88;

const SCALE_BYTES = 2;

/** Rows of blocks from values and scales.
 *  @param values of whole rows @param scales of the same rows @param columns even with 4 bits */
export function joinBlocks(
  type: FileBlockType,
  values: Uint8Array,
  scales: Uint8Array,
  columns: number,
): Uint8Array {
  const { blockBytes, groupBytes, rowBytes, groups } = sizesOf(type, columns);
  const blocks = scales.length / SCALE_BYTES;
  const joined = new Uint8Array(blocks * blockBytes);
  const halves = new Uint16Array(joined.buffer);
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes;
    joined[at] = scales[SCALE_BYTES * block];
    joined[at + 1] = scales[SCALE_BYTES * block + 1];
    const start = (block % groups) * groupBytes;
    const from = Math.floor(block / groups) * rowBytes + start;
    const count = Math.min(groupBytes, rowBytes - start);
    if (type === 'Q8_0') copyBytes(joined, at + 2, values, from, count);
    else joinNibbles(halves, at / 2 + 1, values, from, count);
  }
  return joined;
}

/** A loop: `set` costs more for so few bytes. */
function copyBytes(
  target: Uint8Array,
  to: number,
  source: Uint8Array,
  from: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) target[to + i] = source[from + i];
}

/** The two halves of a byte as two bytes. */
const SPREAD = Uint16Array.from({ length: 256 }, (_, pair) => (pair & 15) + 256 * (pair >>> 4));

/** Weights 2j and 2j + 1 of 16 pairs to weights i and 16 + i of 16 bytes, two bytes at a time: the
 *  weights of a pair are neighbours there too. */
function joinNibbles(
  halves: Uint16Array,
  at: number,
  values: Uint8Array,
  from: number,
  count: number,
): void {
  for (let k = 0; k < 8; k++) {
    const low = k < count ? values[from + k] : ZERO_PAIR;
    const high = k + 8 < count ? values[from + 8 + k] : ZERO_PAIR;
    halves[at + k] = SPREAD[low] + 16 * SPREAD[high];
  }
}

/** Values and scales of rows of blocks.
 *  @param columns weights of a row, even with 4 bits */
export function splitBlocks(
  type: FileBlockType,
  blocks: Uint8Array,
  columns: number,
): { values: Uint8Array; scales: Uint8Array } {
  const { blockBytes, groupBytes, rowBytes, groups } = sizesOf(type, columns);
  const total = blocks.length / blockBytes;
  const values = new Uint8Array((total / groups) * rowBytes);
  const scales = new Uint8Array(SCALE_BYTES * total);
  for (let block = 0; block < total; block++) {
    const at = block * blockBytes;
    scales[SCALE_BYTES * block] = blocks[at];
    scales[SCALE_BYTES * block + 1] = blocks[at + 1];
    const start = (block % groups) * groupBytes;
    const to = Math.floor(block / groups) * rowBytes + start;
    const count = Math.min(groupBytes, rowBytes - start);
    if (type === 'Q8_0') copyBytes(values, to, blocks, at + 2, count);
    else splitNibbles(values, to, blocks, at + 2, count);
  }
  return { values, scales };
}

/** Weights i and 16 + i of 16 bytes to weights 2j and 2j + 1 of as many pairs as there are. */
function splitNibbles(
  values: Uint8Array,
  to: number,
  blocks: Uint8Array,
  at: number,
  count: number,
): void {
  for (let k = 0; k < 8; k++) {
    const [even, odd] = [blocks[at + 2 * k], blocks[at + 2 * k + 1]];
    if (k < count) values[to + k] = (even & 15) + 16 * (odd & 15);
    if (k + 8 < count) values[to + 8 + k] = (even >>> 4) + (odd & 0xf0);
  }
}

function sizesOf(type: FileBlockType, columns: number) {
  const perByte = type === 'Q8_0' ? 1 : 2;
  return {
    blockBytes: FILE_BLOCK_BYTES[type],
    groupBytes: GROUP_SIZE / perByte,
    rowBytes: columns / perByte,
    groups: Math.ceil(columns / GROUP_SIZE),
  };
}

/** q of each weight, one a byte, from pairs. */
export function unpackPairs(pairs: Uint8Array): Uint8Array {
  const values = new Int8Array(2 * pairs.length);
  for (let j = 0; j < pairs.length; j++) {
    values[2 * j] = (pairs[j] & 15) - 8;
    values[2 * j + 1] = (pairs[j] >>> 4) - 8;
  }
  return new Uint8Array(values.buffer);
}

/** Pairs from q of each weight, in −8 … 7, one a byte. */
export function packPairs(values: Uint8Array): Uint8Array {
  const pairs = new Uint8Array(values.length / 2);
  for (let j = 0; j < pairs.length; j++) {
    pairs[j] = ((values[2 * j] + 8) & 15) + 16 * ((values[2 * j + 1] + 8) & 15);
  }
  return pairs;
}
