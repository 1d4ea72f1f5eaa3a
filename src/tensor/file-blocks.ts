/** Rows of Q8_0 and Q4_0 as they lie in a file: blocks of 32 weights with a float16 scale.
 *
 *      Q8_0, 34 bytes: | scale | 32 × int8 |
 *      Q4_0, 18 bytes: | scale | 16 bytes: q + 8 of weight i low, of weight 16 + i high |
 *
 *  The last block of a row may hold fewer weights than room. Source: ggml/src/ggml-common.h of
 *  ggml-org/llama.cpp at c392e50. */

import { decodeFloat16 } from './float16.ts';
import { GROUP_SIZE } from './quantized.ts';

/** Bytes of a block. */
export const FILE_BLOCK_BYTES = { Q8_0: 34, Q4_0: 18 } as const;

export type FileBlockType = keyof typeof FILE_BLOCK_BYTES;

/** Integers and scales of whole rows.
 *  @param columns weights of a row
 *  @returns values `[rows, columns]`, scales `[rows, ceil(columns / 32)]` */
export function readFileBlocks(
  type: FileBlockType,
  bytes: Uint8Array,
  columns: number,
): { values: Int8Array; scales: Float32Array } {
  const groups = Math.ceil(columns / GROUP_SIZE);
  const blockBytes = FILE_BLOCK_BYTES[type];
  const rows = bytes.length / (groups * blockBytes);
  const values = new Int8Array(rows * columns);
  const scales = new Float32Array(rows * groups);
  for (let block = 0; block < rows * groups; block++) {
    const at = block * blockBytes;
    scales[block] = decodeFloat16(bytes[at] + 256 * bytes[at + 1]);
    const [row, group] = [Math.floor(block / groups), block % groups];
    const count = Math.min(GROUP_SIZE, columns - group * GROUP_SIZE);
    const first = row * columns + group * GROUP_SIZE;
    for (let i = 0; i < count; i++) values[first + i] = weightOf(type, bytes, at + 2, i);
  }
  return { values, scales };
}

function weightOf(type: FileBlockType, bytes: Uint8Array, at: number, i: number): number {
  if (type === 'Q8_0') return (bytes[at + i] << 24) >> 24;
  const byte = bytes[at + (i % 16)];
  return (i < 16 ? byte % 16 : byte >>> 4) - 8;
}

/** Rows of Q4_0 as rows of Q8_0 with the same values and scales. */
export function widenFileBlocks(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = bytes.length / FILE_BLOCK_BYTES.Q4_0;
  const wide = new Uint8Array(blocks * FILE_BLOCK_BYTES.Q8_0);
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [block * FILE_BLOCK_BYTES.Q4_0, block * FILE_BLOCK_BYTES.Q8_0];
    wide[to] = bytes[from];
    wide[to + 1] = bytes[from + 1];
    for (let i = 0; i < GROUP_SIZE; i++) wide[to + 2 + i] = weightOf('Q4_0', bytes, from + 2, i);
  }
  return wide;
}
