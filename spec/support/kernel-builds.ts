/** The builds of the kernels that this runtime can run, each over a memory of its own, and typed
 *  arrays in it at chosen alignments with poison around them. */

import { readFileSync } from 'node:fs';
import type { KernelExports } from '../../src/kernels/wasm/exports.ts';
import { instantiateKernels, kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';

const PAGES = 128;
const POISON = 0x5a;

type TypedArray =
  | Float32Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

export interface KernelBuild {
  readonly name: string;
  readonly kernels: KernelExports;
  readonly memory: WebAssembly.Memory;
}

/** The baseline and debug builds run everywhere; the relaxed one where `chooseSimd` says so, which
 *  is every runtime of `npm run test:runtimes`. */
export const KERNEL_BUILDS: readonly KernelBuild[] = createKernelBuilds(PAGES);

/** The same over other memories. @param pages of each */
export function createKernelBuilds(pages: number): KernelBuild[] {
  const debug = readFileSync(new URL('../../dist/wasm/kernels.debug.wasm', import.meta.url));
  const binaries: Record<string, BufferSource> = {
    baseline: kernelsBinary({ simd: 'baseline', shared: false }),
    'baseline debug': debug,
  };
  if (chooseSimd() === 'relaxed') {
    binaries.relaxed = kernelsBinary({ simd: 'relaxed', shared: false });
  }
  return Object.entries(binaries).map(([name, binary]) => {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    return { name, memory, kernels: instantiateKernels(memory, binary) };
  });
}

/** Lays arrays out in the memory of a build, one after the other. */
export class Workbench {
  readonly #memory: WebAssembly.Memory;
  readonly #bytes: Uint8Array;
  #next: number;
  #before: Uint8Array | undefined;

  constructor({ memory, kernels }: KernelBuild) {
    this.#memory = memory;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#next = Number(kernels.heapBase.value);
  }

  /** Copies an array to a place `shift` bytes past a multiple of 16, poison on both sides.
   *  @returns its pointer */
  place(values: TypedArray, shift = 0): number {
    const pointer = Math.ceil((this.#next + 16) / 16) * 16 + shift;
    const end = pointer + values.byteLength + 32;
    this.#bytes.fill(POISON, this.#next, end);
    this.#put(values, pointer);
    this.#next = end;
    return pointer;
  }

  /** Copies an array to the last bytes of the memory, rounded down to a multiple of 4. */
  placeLast(values: TypedArray): number {
    const pointer = Math.floor((this.#bytes.length - values.byteLength) / 4) * 4;
    this.#put(values, pointer);
    return pointer;
  }

  /** Remembers all that was placed. */
  remember(): void {
    this.#before = this.#bytes.slice(0, this.#next);
  }

  /** Bytes that have changed since `remember`, but for those of the given ranges.
   *  @param ranges begin and end of what may change, in bytes */
  changedOutside(ranges: readonly (readonly [number, number])[]): number {
    const before = this.#before ?? new Uint8Array(0);
    for (const [begin, end] of ranges) before.set(this.#bytes.subarray(begin, end), begin);
    let changed = 0;
    for (let i = 0; i < before.length; i += 1) if (before[i] !== this.#bytes[i]) changed += 1;
    return changed;
  }

  float32(pointer: number, length: number): Float32Array {
    return new Float32Array(this.#memory.buffer.slice(pointer, pointer + 4 * length));
  }

  int32(pointer: number, length: number): Int32Array {
    return new Int32Array(this.#memory.buffer.slice(pointer, pointer + 4 * length));
  }

  int8(pointer: number, length: number): Int8Array {
    return new Int8Array(this.#memory.buffer.slice(pointer, pointer + length));
  }

  #put(values: TypedArray, pointer: number): void {
    const { buffer, byteOffset, byteLength } = values;
    this.#bytes.set(new Uint8Array(buffer, byteOffset, byteLength), pointer);
  }
}

/** Quantized activations as a build wants them: int8 in order, or int16 with the middle two of
 *  every four exchanged. */
export function packActivations(q: Int8Array, { kernels }: KernelBuild): Int8Array | Int16Array {
  if (Number(kernels.activationBytes.value) === 1) return q;
  return Int16Array.from(q, (_, i) => q[exchanged(i)]);
}

/** The inverse of `packActivations`. */
export function unpackActivations(bytes: Int8Array, { kernels }: KernelBuild): Int8Array {
  if (Number(kernels.activationBytes.value) === 1) return bytes;
  const wide = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  return Int8Array.from(wide, (_, i) => wide[exchanged(i)]);
}

function exchanged(i: number): number {
  const place = i % 4;
  return place === 1 || place === 2 ? i + 3 - 2 * place : i;
}

/** The bits of float32 numbers; all NaN are one, since engines choose their bits. */
export function bitsOf(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length).slice();
  values.forEach((value, i) => {
    if (Number.isNaN(value)) bits[i] = 0x7fc00000;
  });
  return bits;
}
