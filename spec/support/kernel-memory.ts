/** Builds of the kernels, each over a poisoned memory: what a kernel is given lies between margins
 *  that must be untouched afterwards, and whatever it reads beside that is NaN. */

import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import type { KernelExports } from '../../src/kernels/wasm/exports.ts';
import { instantiateKernels, kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';

const DEBUG = new URL('../../dist/wasm/kernels.debug.wasm', import.meta.url);
const PAGE_BYTES = 65_536;
const MARGIN = 64;
const POISON = 0xff; // NaN in every float type, −1 in every integer

/** A bump allocator over the memory of one build. */
export interface KernelMemory {
  readonly kernels: KernelExports;
  /** Forgets everything that was put, and poisons the memory. */
  reset(): void;
  /** Copies values into the memory. @param shift bytes by which the pointer misses a multiple of 16
   *  @returns their pointer */
  put(values: ArrayBufferView, shift?: number): number;
  /** Room for bytes, which are poison. @returns their pointer */
  reserve(byteLength: number, shift?: number): number;
  /** What lies there, as a view. */
  floats(pointer: number, length: number): Float32Array;
  bytes(pointer: number, length: number): Uint8Array;
  /** Fails when a byte was written outside of what was put and reserved. */
  expectMargins(title: string): void;
}

/** Every build that this engine can be trusted with.
 *  @param pages of memory for each */
export function kernelMemories(pages: number): Record<string, KernelMemory> {
  const baseline = kernelsBinary({ simd: 'baseline', shared: false });
  const relaxed = kernelsBinary({ simd: 'relaxed', shared: false });
  return {
    baseline: createKernelMemory(pages, baseline),
    ...(chooseSimd() === 'relaxed' && { relaxed: createKernelMemory(pages, relaxed) }),
    debug: createKernelMemory(pages, readFileSync(DEBUG)),
  };
}

function createKernelMemory(pages: number, binary: BufferSource): KernelMemory {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const kernels = instantiateKernels(memory, binary);
  const bytes = new Uint8Array(memory.buffer);
  const first = Math.ceil(Number(kernels.heapBase.value) / 16) * 16;
  let taken: { pointer: number; end: number }[] = [];
  let free = PAGE_BYTES * pages;

  const reserve = (byteLength: number, shift = 0) => {
    const pointer = Math.ceil((free + MARGIN) / 16) * 16 + shift;
    free = pointer + byteLength;
    assert.ok(free + MARGIN <= bytes.length, 'the memory of the spec is too small');
    taken.push({ pointer, end: free });
    return pointer;
  };

  return {
    kernels,
    reset() {
      bytes.fill(POISON, first, Math.min(free + MARGIN, bytes.length));
      taken = [];
      free = first;
    },
    reserve,
    put(values, shift = 0) {
      const pointer = reserve(values.byteLength, shift);
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), pointer);
      return pointer;
    },
    floats: (pointer, length) => new Float32Array(memory.buffer, pointer, length),
    bytes: (pointer, length) => bytes.subarray(pointer, pointer + length),
    expectMargins(title) {
      const gaps = [...taken, { pointer: free + MARGIN, end: 0 }];
      let begin = first;
      for (const { pointer, end } of gaps) {
        const place = bytes.subarray(begin, pointer).findIndex((byte) => byte !== POISON);
        assert.is(place, -1, `${title}: byte ${begin + place} was written`);
        begin = end;
      }
    },
  };
}

/** Fails unless the numbers are the same, the sign of zero included; NaN equals NaN. */
export function expectSame(found: Float32Array, expected: Float32Array, title: string): void {
  assert.is(found.length, expected.length, title);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(found[i], expected[i])) {
      assert.unreachable(`${title}: element ${i} is ${found[i]}, not ${expected[i]}`);
    }
  }
}
