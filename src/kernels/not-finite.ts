/** Counting the weights of a file that are NaN or infinite: those whose exponent bits are all
 *  ones. */

import { FILE_BLOCK_BYTES } from '../tensor/file-blocks.ts';
import { GROUP_SIZE } from '../tensor/quantized.ts';
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

/** The numbers of a file that are none. */
export interface NotFinite {
  readonly nan: number;
  readonly infinite: number;
  /** The first element concerned, counted from the first of the rows; −1 where all are numbers. */
  readonly first: number;
}

/** Tells NaN from infinities, and where the first of them is. Where numbers share a scale, scales
 *  are counted, and the first is that of their first number.
 *  @param columns elements of a row */
export function findNotFinite(rows: ParameterRows, columns: number): NotFinite {
  if (countNotFinite(rows) === 0) return { nan: 0, infinite: 0, first: -1 };
  const { count, isNan, isInfinite, elementOf } = numbersOf(rows, columns);
  let [nan, infinite, first] = [0, 0, -1];
  for (let i = 0; i < count; i++) {
    if (isNan(i)) nan += 1;
    else if (isInfinite(i)) infinite += 1;
    else continue;
    if (first < 0) first = elementOf(i);
  }
  return { nan, infinite, first };
}

/** The numbers, or scales, of rows: how many elements each stands for, and what it is. */
function numbersOf({ dtype, bytes, scales }: ParameterRows, columns: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const of = (
    width: number,
    count: number,
    magnitude: (i: number) => number,
    infinity: number,
  ) => ({
    count,
    elementOf: (i: number) => i * width,
    isNan: (i: number) => magnitude(i) > infinity,
    isInfinite: (i: number) => magnitude(i) === infinity,
  });
  const half = (i: number) => view.getUint16(2 * i, true) & 0x7fff;
  if (dtype === 'F32') {
    return of(1, bytes.length / 4, (i) => view.getUint32(4 * i, true) & 0x7fffffff, 0x7f800000);
  }
  if (dtype === 'BF16') return of(1, bytes.length / 2, half, UPPER_EXPONENT);
  if (dtype === 'F16') return of(1, bytes.length / 2, half, HALF_EXPONENT);
  if (dtype === 'I8' || dtype === 'I4') {
    const words = new Uint32Array((scales ?? new Float32Array(0)).slice().buffer);
    return of(columns, words.length, (i) => words[i] & 0x7fffffff, 0x7f800000);
  }
  const blockBytes = FILE_BLOCK_BYTES[dtype];
  const groups = Math.ceil(columns / GROUP_SIZE);
  const scale = (i: number) => view.getUint16(i * blockBytes, true) & 0x7fff;
  // The last group of a row may be short.
  const elementOf = (i: number) => Math.floor(i / groups) * columns + (i % groups) * GROUP_SIZE;
  return { ...of(GROUP_SIZE, bytes.length / blockBytes, scale, HALF_EXPONENT), elementOf };
}

function countFloats(bytes: Uint8Array): number {
  return countWords(wordsOf(bytes), [UPPER_EXPONENT << 16]);
}

function countHalves(bytes: Uint8Array, exponent: number): number {
  const count = countWords(wordsOf(bytes), [exponent, exponent << 16]);
  const last = bytes.length - 1;
  const isOdd = bytes.length % 4 !== 0;
  const half = isOdd ? bytes[last - 1] + 256 * bytes[last] : 0;
  return count + ((half & exponent) === exponent ? 1 : 0);
}

/** How many exponents are all ones.
 *  @param masks one for each number of a word: the bits of its exponent */
function countWords(words: Int32Array, masks: readonly number[]): number {
  // Only an exponent of ones carries into its sign when its lowest bit is added once more. So one
  // pass without a branch finds nothing in nearly every block.
  const exponents = masks.reduce((bits, mask) => bits | mask, 0);
  const lowest = masks.reduce((bits, mask) => bits | (mask & -mask), 0);
  const signs = exponents + lowest;
  let carried = 0;
  for (let i = 0; i < words.length; i++) carried |= (words[i] & exponents) + lowest;
  if ((carried & signs) === 0) return 0;
  let count = 0;
  for (const word of words) for (const mask of masks) if ((word & mask) === mask) count += 1;
  return count;
}

function countScales(bytes: Uint8Array, blockBytes: number): number {
  let count = 0;
  for (let at = 1; at < bytes.length; at += blockBytes) {
    if ((bytes[at] & 0x7c) === 0x7c) count += 1;
  }
  return count;
}

/** Bytes as words; those at an odd address are copied first. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const length = Math.floor(bytes.length / Int32Array.BYTES_PER_ELEMENT);
  const fits = bytes.byteOffset % Int32Array.BYTES_PER_ELEMENT === 0;
  const { buffer, byteOffset } = fits ? bytes : bytes.slice();
  return new Int32Array(buffer, byteOffset, length);
}
