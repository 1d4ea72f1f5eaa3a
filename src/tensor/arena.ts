/** The arena that the activations of a pass are allocated from: a bump allocator with marks.
 *
 *      | embedding | norm | W_pack | attention | …          grows to the right
 *                  ^ mark                       ^ top
 *
 *  `mark` remembers the top, `release` goes back to it: everything allocated since is free again.
 *  When a chunk is full the next one is opened, so a tensor never moves. In debug builds released
 *  memory is filled with NaN and its tensors throw when they are used. */

import { BaichuanError } from '../errors.ts';
import { elementCount, type Lease, type Tensor, type TensorMemory } from './tensor.ts';

/** Chunks grow from here by doubling; one tensor larger than that gets a chunk of its own size. */
const FIRST_CHUNK_BYTES = 256 * 1024;

/** Tensors start at multiples of the 16 bytes that a SIMD vector takes. */
const ALIGNMENT_BYTES = 16;

export interface ArenaMark {
  readonly chunk: number;
  readonly top: number;
  readonly leases: number;
}

export class Arena {
  private readonly debug: boolean;
  private readonly chunks: TensorMemory[] = [];
  private readonly leases: Lease[] = [];
  private chunk = 0;
  private top = 0;

  /** @param options `debug` makes the use of released tensors an error, at some cost */
  constructor(options: { debug?: boolean } = {}) {
    this.debug = options.debug ?? false;
  }

  /** Uninitialized memory for one tensor.
   *  @param shape axis lengths @returns a tensor valid until an earlier mark is released */
  allocate(shape: readonly number[]): Tensor {
    const bytes = elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
    const memory = this.chunkWithRoom(bytes);
    const byteOffset = this.top;
    this.top += Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    if (!this.debug) return { dtype: 'F32', shape, memory, byteOffset };
    const lease = { released: false };
    this.leases.push(lease);
    return { dtype: 'F32', shape, memory, byteOffset, lease };
  }

  /** The present top, to be given to `release`. */
  mark(): ArenaMark {
    return { chunk: this.chunk, top: this.top, leases: this.leases.length };
  }

  /** Frees everything allocated since `mark`.
   *  @param mark of this arena, not older than one already released
   *  @throws tensor-released when the mark lies above the top */
  release(mark: ArenaMark): void {
    if (mark.chunk > this.chunk || (mark.chunk === this.chunk && mark.top > this.top)) {
      throw new BaichuanError('tensor-released', {
        what: 'An arena is released to a mark that it has already gone below.',
        fix: 'Release marks in the reverse order of taking them.',
      });
    }
    if (this.debug) this.poison(mark);
    this.chunk = mark.chunk;
    this.top = mark.top;
  }

  /** Bytes held, used or free. */
  get memoryBytes(): number {
    return this.chunks.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  }

  private chunkWithRoom(bytes: number): TensorMemory {
    for (;;) {
      const memory = this.chunks[this.chunk];
      if (memory === undefined) return this.openChunk(bytes);
      if (this.top + bytes <= memory.buffer.byteLength) return memory;
      this.chunk += 1;
      this.top = 0;
    }
  }

  private openChunk(bytes: number): TensorMemory {
    const last = this.chunks.at(-1)?.buffer.byteLength ?? FIRST_CHUNK_BYTES / 2;
    const size = Math.max(2 * last, Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES);
    const memory = { buffer: new ArrayBuffer(size) };
    this.chunks.push(memory);
    return memory;
  }

  private poison(mark: ArenaMark): void {
    for (const lease of this.leases.splice(mark.leases)) lease.released = true;
    for (let index = mark.chunk; index <= this.chunk; index++) {
      const memory = this.chunks[index];
      if (memory === undefined) continue;
      const first = index === mark.chunk ? mark.top : 0;
      const end = index === this.chunk ? this.top : memory.buffer.byteLength;
      new Float32Array(memory.buffer, first, Math.max(0, end - first) / 4).fill(Number.NaN);
    }
  }
}
