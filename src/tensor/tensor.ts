/** A tensor is a handle: type, shape, and where its bytes lie. It holds no data itself, so the same
 *  handle works for a JavaScript buffer and for a WebAssembly memory that grows under it.
 *
 *  Row-major, last axis contiguous: element [i, j] of a [R, K] tensor is number i · K + j. */

import { BaichuanError } from '../errors.ts';

/** The memory that a tensor lies in. `buffer` is read anew at every use: a WebAssembly memory
 *  replaces it when it grows, and an old view would keep the old length. */
export interface TensorMemory {
  readonly buffer: ArrayBufferLike;
}

/** What an arena knows about the tensors it handed out. */
export interface Lease {
  released: boolean;
}

export interface Tensor {
  readonly dtype: 'F32';
  readonly shape: readonly number[];
  readonly memory: TensorMemory;
  readonly byteOffset: number;
  /** Set by an arena in debug builds. */
  readonly lease?: Lease;
}

/** Number of elements of a shape: the product of its axes, 1 for a scalar.
 *  @param shape axis lengths */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** A tensor with memory of its own, all zeros.
 *  @param shape axis lengths @returns a tensor of that shape */
export function createTensor(shape: readonly number[]): Tensor {
  const buffer = new ArrayBuffer(elementCount(shape) * Float32Array.BYTES_PER_ELEMENT);
  return { dtype: 'F32', shape, memory: { buffer }, byteOffset: 0 };
}

/** A tensor over existing numbers, which are not copied.
 *  @param values the elements in row-major order @param shape axis lengths
 *  @throws shape-mismatch when their counts differ */
export function tensorOf(values: Float32Array, shape: readonly number[]): Tensor {
  if (values.length !== elementCount(shape)) {
    throw new BaichuanError('shape-mismatch', {
      what: `${values.length} values do not fill the shape [${shape.join(', ')}].`,
      fix: 'Pass as many values as the product of the axes.',
      expected: elementCount(shape),
      found: values.length,
    });
  }
  return { dtype: 'F32', shape, memory: { buffer: values.buffer }, byteOffset: values.byteOffset };
}

/** The numbers of a tensor, as a view that is valid until its memory grows.
 *  @param tensor any tensor @returns its elements in row-major order
 *  @throws tensor-released in debug builds, when its arena has taken the memory back */
export function float32(tensor: Tensor): Float32Array {
  if (tensor.lease?.released === true) {
    throw new BaichuanError('tensor-released', {
      what: `A tensor of shape [${tensor.shape.join(', ')}] is used after its arena released it.`,
      fix: 'Copy what must outlive the layer before the arena is released.',
    });
  }
  return new Float32Array(tensor.memory.buffer, tensor.byteOffset, elementCount(tensor.shape));
}

/** The same bytes under another shape.
 *  @param tensor any tensor @param shape axis lengths with the same product
 *  @throws shape-mismatch when the products differ */
export function reshape(tensor: Tensor, shape: readonly number[]): Tensor {
  if (elementCount(shape) !== elementCount(tensor.shape)) {
    throw new BaichuanError('shape-mismatch', {
      what: `[${tensor.shape.join(', ')}] cannot be read as [${shape.join(', ')}].`,
      fix: 'Give a shape with the same number of elements.',
    });
  }
  return { ...tensor, shape };
}

/** Rows `start` to `end` (exclusive) of the first axis, sharing the bytes.
 *  @param tensor `[R, …]` @param start first row @param end row after the last
 *  @returns `[end − start, …]` @throws shape-mismatch when there are no such rows */
export function sliceRows(tensor: Tensor, start: number, end: number): Tensor {
  const [rows = 0, ...rest] = tensor.shape;
  if (!(start >= 0 && start <= end && end <= rows)) {
    throw new BaichuanError('shape-mismatch', {
      what: `Rows ${start} to ${end} are not within the ${rows} rows of a tensor.`,
      fix: 'Pass 0 ≤ start ≤ end ≤ rows.',
    });
  }
  const rowBytes = elementCount(rest) * Float32Array.BYTES_PER_ELEMENT;
  const byteOffset = tensor.byteOffset + start * rowBytes;
  return { ...tensor, shape: [end - start, ...rest], byteOffset };
}

/** A copy with the first two axes exchanged, as published attention maps lie.
 *  @param tensor `[A, B, …]` @returns `[B, A, …]` */
export function swapFirstAxes(tensor: Tensor): Tensor {
  const [A = 0, B = 0, ...rest] = tensor.shape;
  const length = elementCount(rest);
  const swapped = createTensor([B, A, ...rest]);
  const [source, target] = [float32(tensor), float32(swapped)];
  for (let row = 0; row < A * B; row++) {
    const [a, b] = [Math.floor(row / B), row % B];
    target.set(source.subarray(row * length, (row + 1) * length), (b * A + a) * length);
  }
  return swapped;
}
