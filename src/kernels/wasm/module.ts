/** The compiled kernels of assembly/: instantiation over a memory of the caller's, and the widener
 *  that reads 16-bit tensors from a file with them.
 *
 *  Pointers are byte offsets into the memory; the module itself uses the bytes below `heapBase`.
 *  Kernels check nothing: whoever calls them has checked lengths and places.
 *
 *  The widener copies a block into a small memory of fixed size, widens it there, copies it out:
 *
 *      | module | x: 2 bytes · BLOCK | y: 4 bytes · BLOCK |
 *      0        heapBase, rounded up to 16
 *
 *  Its memory never grows, so its views stay valid. Blocks this small stay in the cache. */

import { BaichuanError } from '../../errors.ts';
import { bytesFromBase64 } from './base64.ts';
import {
  KERNELS_BASELINE_BASE64,
  KERNELS_BASELINE_SHARED_BASE64,
  KERNELS_RELAXED_BASE64,
  KERNELS_RELAXED_SHARED_BASE64,
} from './binary.generated.ts';
import type { KernelExports } from './exports.ts';
import { instantiate } from './instance.ts';
import type { Simd } from './simd.ts';

/** Elements widened at once. */
const BLOCK = 32_768;

const PAGE_BYTES = 65_536;

/** Which of the four builds of one source. */
export interface KernelsVariant {
  /** The instructions it is made of: `chooseSimd` tells what this engine can be trusted with. */
  readonly simd: Simd;
  /** Whether the memory it is instantiated over is shared between threads. */
  readonly shared: boolean;
}

/** The bytes of a compiled module. All four give the same bits. */
export function kernelsBinary({ simd, shared }: KernelsVariant): Uint8Array<ArrayBuffer> {
  if (simd === 'relaxed') {
    return bytesFromBase64(shared ? KERNELS_RELAXED_SHARED_BASE64 : KERNELS_RELAXED_BASE64);
  }
  return bytesFromBase64(shared ? KERNELS_BASELINE_SHARED_BASE64 : KERNELS_BASELINE_BASE64);
}

/** Instantiates the kernels over a memory.
 *  @param memory at least one page; owned, laid out and grown by the caller
 *  @param binary a build that fits the memory, as bytes or compiled; baseline by default */
export function instantiateKernels(
  memory: WebAssembly.Memory,
  binary: BufferSource | WebAssembly.Module = kernelsBinary({
    simd: 'baseline',
    shared: isShared(memory),
  }),
): KernelExports {
  return instantiate(memory, binary);
}

/** Browsers do not name SharedArrayBuffer unless the page is isolated. */
function isShared({ buffer }: WebAssembly.Memory): boolean {
  return !(buffer instanceof ArrayBuffer);
}

export type SixteenBitDtype = 'BF16' | 'F16';

export interface Widener {
  /** Widens every element of a block of file bytes.
   *  @param bytes little-endian, two bytes an element, at any alignment
   *  @param target float32 (overwritten from `targetOffset` on)
   *  @param targetOffset in elements
   *  @throws shape-mismatch when the bytes are odd in number or do not fit the target */
  widen(
    dtype: SixteenBitDtype,
    bytes: Uint8Array,
    target: Float32Array,
    targetOffset: number,
  ): void;
}

/** Makes a widener with a WebAssembly memory of its own, of 256 KiB.
 *  @param binary other bytes of the kernels than those built in */
export function createWidener(binary?: BufferSource | WebAssembly.Module): Widener {
  const memoryBytes = PAGE_BYTES + BLOCK * (2 + 4);
  const pages = Math.ceil(memoryBytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const kernels = instantiateKernels(memory, binary);
  const xPtr = Math.ceil(Number(kernels.heapBase.value) / 16) * 16;
  const yPtr = xPtr + BLOCK * 2;
  const x = new Uint8Array(memory.buffer, xPtr, BLOCK * 2);
  const y = new Float32Array(memory.buffer, yPtr, BLOCK);

  return {
    widen(dtype, bytes, target, targetOffset) {
      const count = expectFit(bytes, target, targetOffset);
      const kernel = dtype === 'BF16' ? kernels.widenBf16 : kernels.widenF16;
      for (let begin = 0; begin < count; begin += BLOCK) {
        const length = Math.min(BLOCK, count - begin);
        x.set(bytes.subarray(begin * 2, (begin + length) * 2));
        kernel(yPtr, xPtr, length);
        target.set(y.subarray(0, length), targetOffset + begin);
      }
    },
  };
}

/** The number of elements in the bytes, which must fit the target. */
function expectFit(bytes: Uint8Array, target: Float32Array, targetOffset: number): number {
  const count = bytes.length / 2;
  if (!Number.isInteger(count)) {
    throw new BaichuanError('shape-mismatch', {
      where: 'bytes',
      what: `${bytes.length} bytes are no whole number of 16-bit elements.`,
      fix: 'Pass two bytes for every element.',
      found: bytes.length,
    });
  }
  const room = target.length - targetOffset;
  if (!Number.isSafeInteger(targetOffset) || targetOffset < 0 || count > room) {
    throw new BaichuanError('shape-mismatch', {
      where: 'targetOffset',
      what: `${count} elements do not fit a target of ${target.length} at ${targetOffset}.`,
      fix: 'Pass a target that holds targetOffset + bytes.length / 2 elements.',
      expected: targetOffset + count,
      found: target.length,
    });
  }
  return count;
}
