/** Counting the weights of a file that are NaN or infinite: those whose exponent bits are all
 *  ones. */

import { FILE_BLOCK_BYTES } from '../tensor/file-blocks.ts';
import type { ParameterRows } from './kernels.ts';

/** Bits of the exponent, in the upper half of a float32 and in a float16. */
const UPPER_EXPONENT = 0x7f80;
const HALF_EXPONENT = 0x7c00;

/** How many numbers, or scales where numbers share them, are NaN or infinite. */
export function countNotFinite({ dtype, bytes, scales }: ParameterRows): number {
  switch (dtype) {
    case 'F32':
      return countFloats(bytes);
    case 'BF16':
      return countHalves(bytes, UPPER_EXPONENT);
    case 'F16':
      return countHalves(bytes, HALF_EXPONENT);
    case 'I8':
    case 'I4':
      return scales === undefined ? 0 : scales.filter((scale) => !Number.isFinite(scale)).length;
    default:
      return countScales(bytes, FILE_BLOCK_BYTES[dtype]);
  }
}

function countFloats(bytes: Uint8Array): number {
  const words = wordsOf(bytes, Uint32Array);
  let count = 0;
  for (let i = 0; i < words.length; i++) if (((words[i] >>> 16) & 0x7f80) === 0x7f80) count += 1;
  return count;
}

function countHalves(bytes: Uint8Array, exponent: number): number {
  const words = wordsOf(bytes, Uint16Array);
  let count = 0;
  for (let i = 0; i < words.length; i++) if ((words[i] & exponent) === exponent) count += 1;
  return count;
}

function countScales(bytes: Uint8Array, blockBytes: number): number {
  let count = 0;
  for (let at = 1; at < bytes.length; at += blockBytes) {
    if ((bytes[at] & 0x7c) === 0x7c) count += 1;
  }
  return count;
}

/** Bytes as numbers; those at an odd address are copied first. */
function wordsOf<Words extends Uint16Array | Uint32Array>(
  bytes: Uint8Array,
  type: { new (buffer: ArrayBufferLike, byteOffset: number, length: number): Words } & {
    readonly BYTES_PER_ELEMENT: number;
  },
): Words {
  const length = Math.floor(bytes.length / type.BYTES_PER_ELEMENT);
  const fits = bytes.byteOffset % type.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset } = fits ? bytes : bytes.slice();
  return new type(buffer, byteOffset, length);
}
