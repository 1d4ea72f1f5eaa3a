/** A bank: one WebAssembly memory with whole layers in it, their part of the key/value cache and
 *  the arena of their activations, and an instance of the kernels over it.
 *
 *      | module | weights | arena | cache blocks …            → grows up to 4 GiB − 64 KiB
 *      0        start
 *
 *  A pointer of wasm32 has 32 bits, so a model larger than 4 GiB takes several banks. A memory of
 *  65,536 pages is not used: its end pointer would wrap to 0. */

import { BaichuanError } from '../../errors.ts';
import { ALIGNMENT_BYTES, Arena } from '../../tensor/arena.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Place } from '../kernels.ts';
import type { KernelExports } from './exports.ts';
import { instantiate } from './instance.ts';
import { type RangedKernel, rangedKernels } from './ranged-kernels.ts';

export const PAGE_BYTES = 65_536;

/** Pages of the largest memory used. */
export const MAX_PAGES = 65_535;

/** Bytes that a bank can hold besides the module's own, which need less than a page. */
export const BANK_BYTES = (MAX_PAGES - 1) * PAGE_BYTES;

/** Memories grow by whole steps, so that they grow rarely. */
const GROWTH_PAGES = 16;

/** Later chunks of the arena, where the planned one does not suffice. */
const CHUNK_BYTES = 2 ** 20;

/** What goes into one bank. */
export interface BankPlan {
  readonly places: readonly Place[];
  readonly weightBytes: number;
  readonly cacheBytes: number;
  /** The arena's first chunk. */
  readonly scratchBytes: number;
  /** Bytes left free before everything else: with some GiB, every pointer is far. */
  readonly skippedBytes?: number | undefined;
}

export interface BankOptions {
  readonly module: WebAssembly.Module;
  /** Whether the memory may be seen by other threads. */
  readonly shared: boolean;
  readonly debug?: boolean | undefined;
}

/** A memory, its kernels, and the bump allocator of what lies in it. */
export class Bank {
  readonly index: number;
  readonly plan: BankPlan;
  readonly memory: WebAssembly.Memory;
  readonly exports: KernelExports;
  /** By number; see ranged-kernels.ts. */
  readonly kernels: readonly RangedKernel[];
  readonly arena: Arena;
  private top: number;

  /** @throws out-of-memory when there is no memory of the planned size */
  constructor(index: number, plan: BankPlan, { module, shared, debug }: BankOptions) {
    this.index = index;
    this.plan = plan;
    const planned = plan.weightBytes + plan.cacheBytes + plan.scratchBytes;
    const pages = 1 + Math.ceil((planned + (plan.skippedBytes ?? 0)) / PAGE_BYTES);
    this.memory = createMemory(Math.min(pages, MAX_PAGES), shared);
    this.exports = instantiate(this.memory, module);
    this.kernels = rangedKernels(this.exports);
    this.top = Number(this.exports.heapBase.value) + (plan.skippedBytes ?? 0);
    const openChunk = (byteLength: number) => this.openChunk(byteLength);
    this.arena = new Arena({ debug, openChunk });
  }

  /** Takes memory that is never given back.
   *  @returns a pointer, 16-byte aligned @throws out-of-memory */
  allocate(byteLength: number): number {
    const pointer = Math.ceil(this.top / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    const end = pointer + byteLength;
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) this.grow(Math.ceil(missing / PAGE_BYTES), byteLength);
    this.top = end;
    return pointer;
  }

  /** A tensor outside of the arena. @throws out-of-memory */
  allocateTensor(shape: readonly number[]): Tensor {
    const elements = shape.reduce((product, length) => product * length, 1);
    return { dtype: 'F32', shape, memory: this.memory, byteOffset: this.allocate(4 * elements) };
  }

  /** The bytes of a range, valid until the memory grows. */
  bytes(pointer: number, byteLength: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, pointer, byteLength);
  }

  private openChunk(byteLength: number) {
    const first = this.arena.memoryBytes === 0;
    const size = Math.max(byteLength, first ? this.plan.scratchBytes : CHUNK_BYTES);
    const aligned = Math.ceil(size / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    return { memory: this.memory, byteOffset: this.allocate(aligned), byteLength: aligned };
  }

  private grow(missingPages: number, byteLength: number): void {
    const pages = this.memory.buffer.byteLength / PAGE_BYTES;
    const room = MAX_PAGES - pages;
    const step = Math.ceil(missingPages / GROWTH_PAGES) * GROWTH_PAGES;
    if (missingPages > room) throw bankFull(this, byteLength);
    try {
      this.memory.grow(Math.min(step, room));
    } catch (cause) {
      throw bankFull(this, byteLength, cause);
    }
  }
}

function createMemory(pages: number, shared: boolean): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared });
  } catch (cause) {
    const megabytes = Math.round((pages * PAGE_BYTES) / 1e6);
    throw new BaichuanError('out-of-memory', {
      where: `a WebAssembly memory of ${megabytes} MB`,
      what: 'There is not enough memory for it.',
      fix: 'Free memory, or load with --quantize int4 or a smaller --context-length.',
      cause,
    });
  }
}

function bankFull({ index, memory }: Bank, byteLength: number, cause?: unknown): BaichuanError {
  const [held, wanted] = [memory.buffer.byteLength, byteLength].map((n) => (n / 1e6).toFixed(1));
  return new BaichuanError('out-of-memory', {
    where: `bank ${index}`,
    what: `The bank of ${held} MB cannot grow by another ${wanted} MB.`,
    fix: 'Load with --context-length set to the positions needed: room is planned for them.',
    cause,
  });
}
