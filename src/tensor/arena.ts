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
export const ALIGNMENT_BYTES = 16;

/** A piece of memory that the arena fills. */
export interface ArenaChunk {
  readonly memory: TensorMemory;
  /** A multiple of the alignment. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface ArenaOptions {
  /** Makes the use of released tensors an error, at some cost. */
  readonly debug?: boolean | undefined;
  /** Opens a chunk of at least `byteLength` bytes; by default in JavaScript buffers. */
  readonly openChunk?: ((byteLength: number) => ArenaChunk) | undefined;
}

export interface ArenaMark {
  readonly chunk: number;
  readonly top: number;
  readonly leases: number;
}

export class Arena {
  private readonly debug: boolean;
  private readonly openChunk: (byteLength: number) => ArenaChunk;
  private readonly chunks: ArenaChunk[] = [];
  private readonly leases: Lease[] = [];
  private chunk = 0;
  private top = 0;

  constructor(options: ArenaOptions = {}) {
    this.debug = options.debug ?? false;
    this.openChunk = options.openChunk ?? ((byteLength) => this.openBuffer(byteLength));
  }

  /** Uninitialized memory for one tensor.
   *  @param shape axis lengths @returns a tensor valid until an earlier mark is released
   *  @throws out-of-memory where the chunks come from a memory of limited size */
  allocate(shape: readonly number[]): Tensor {
    const bytes = elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
    const { memory, byteOffset } = this.chunkWithRoom(bytes);
    const start = byteOffset + this.top;
    this.top += Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    if (!this.debug) return { dtype: 'F32', shape, memory, byteOffset: start };
    const lease = { released: false };
    this.leases.push(lease);
    return { dtype: 'F32', shape, memory, byteOffset: start, lease };
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
    return this.chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  private chunkWithRoom(bytes: number): ArenaChunk {
    for (;;) {
      const chunk = this.chunks[this.chunk];
      if (chunk === undefined) {
        const opened = this.openChunk(Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES);
        this.chunks.push(opened);
        return opened;
      }
      if (this.top + bytes <= chunk.byteLength) return chunk;
      this.chunk += 1;
      this.top = 0;
    }
  }

  private openBuffer(byteLength: number): ArenaChunk {
    const last = this.chunks.at(-1)?.byteLength ?? FIRST_CHUNK_BYTES / 2;
    const size = Math.max(2 * last, byteLength);
    return { memory: { buffer: new ArrayBuffer(size) }, byteOffset: 0, byteLength: size };
  }

  private poison(mark: ArenaMark): void {
    for (const lease of this.leases.splice(mark.leases)) lease.released = true;
    for (let index = mark.chunk; index <= this.chunk; index++) {
      const chunk = this.chunks[index];
      if (chunk === undefined) continue;
      const first = index === mark.chunk ? mark.top : 0;
      const end = index === this.chunk ? this.top : chunk.byteLength;
      const { buffer } = chunk.memory;
      const count = Math.floor(Math.max(0, end - first) / 4);
      new Float32Array(buffer, chunk.byteOffset + first, count).fill(Number.NaN);
    }
  }
}
