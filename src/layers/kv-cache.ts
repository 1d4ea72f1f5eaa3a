/** The key/value cache: per layer, blocks of 64 positions, and per sequence a table of its blocks.
 *
 *      sequence 0:  block 0 | block 2 | block 5          length 150
 *      sequence 1:  block 0 | block 3                    forked from 0 at length 70
 *
 *  Block b exists in every layer. Blocks are counted references: a fork shares them, and the first
 *  write to a shared one copies it. They are made on use, and free ones are used again. A pass
 *  calls `reserve` for its segments, writes through the `view` of each layer, and ends with
 *  `commit`: until then lengths are as before, so an interrupted pass leaves nothing behind. */

import { BaichuanError } from '../errors.ts';
import {
  BLOCK_POSITIONS,
  type Kernels,
  type KeyValueBlock,
  type KeyValueView,
} from '../kernels/kernels.ts';
import type { Segment } from './context.ts';

export interface KvCacheOptions {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  /** Positions that a sequence may hold; more are refused. */
  readonly contextLength: number;
}

interface Sequence {
  length: number;
  /** Numbers of its blocks, oldest first. */
  blocks: number[];
}

export class KvCache {
  private readonly kernels: Kernels;
  private readonly options: KvCacheOptions;
  private readonly sequences = new Map<number, Sequence>();
  /** `storage[b][layer]`. */
  private readonly storage: KeyValueBlock[][] = [];
  private readonly references: number[] = [];
  private readonly free: number[] = [];
  /** Layers of a block that memory ran out for half-way. */
  private unfinished: KeyValueBlock[] = [];
  private nextSequence = 0;

  constructor(kernels: Kernels, options: KvCacheOptions) {
    this.kernels = kernels;
    this.options = options;
  }

  /** Blocks that some sequence refers to. */
  get usedBlocks(): number {
    return this.storage.length - this.free.length;
  }

  /** Starts an empty sequence. @returns its number */
  open(): number {
    const sequence = this.nextSequence++;
    this.sequences.set(sequence, { length: 0, blocks: [] });
    return sequence;
  }

  /** Starts a sequence with the first positions of another, sharing their blocks.
   *  @param length positions to keep, all by default @returns the new sequence's number */
  fork(sequence: number, length = this.length(sequence)): number {
    const source = this.find(sequence);
    expectWithin(length, source.length);
    const blocks = source.blocks.slice(0, Math.ceil(length / BLOCK_POSITIONS));
    for (const block of blocks) this.references[block] += 1;
    const fork = this.open();
    this.sequences.set(fork, { length, blocks });
    return fork;
  }

  /** Forgets the positions from `length` on. @param length at most the present one */
  rollback(sequence: number, length: number): void {
    const found = this.find(sequence);
    expectWithin(length, found.length);
    found.length = length;
    const kept = Math.ceil(length / BLOCK_POSITIONS);
    for (const block of found.blocks.splice(kept)) this.drop(block);
  }

  /** Forgets a sequence; closing one twice is no error. */
  close(sequence: number): void {
    for (const block of this.sequences.get(sequence)?.blocks ?? []) this.drop(block);
    this.sequences.delete(sequence);
  }

  /** Positions held by a sequence. */
  length(sequence: number): number {
    return this.find(sequence).length;
  }

  /** Makes room for a segment's positions, in blocks that no other sequence refers to.
   *  @throws context-length */
  reserve({ sequence, position, count }: Segment): void {
    const found = this.find(sequence);
    if (position !== found.length) throw unexpectedPosition(position, found.length);
    const { contextLength } = this.options;
    if (position + count > contextLength) throw tooLong(position + count, contextLength);
    const first = Math.floor(position / BLOCK_POSITIONS);
    for (let index = first; index * BLOCK_POSITIONS < position + count; index++) {
      found.blocks[index] = this.ownBlock(found.blocks[index]);
    }
  }

  /** What attention reads and writes of one layer during a pass. */
  view(layer: number, { sequence, position, count }: Segment): KeyValueView {
    const blocks = this.find(sequence).blocks.map((block) => this.storage[block][layer]);
    return { blocks, position, count };
  }

  /** Counts a segment's positions as held. */
  commit({ sequence, position, count }: Segment): void {
    this.find(sequence).length = position + count;
  }

  /** The block itself if nobody shares it, else a copy; a fresh one for none. */
  private ownBlock(block: number | undefined): number {
    if (block !== undefined && this.references[block] === 1) return block;
    const fresh = this.takeBlock();
    if (block === undefined) return fresh;
    this.storage[block].forEach((source, layer) => {
      this.kernels.copyBlock(source, this.storage[fresh][layer]);
    });
    this.drop(block);
    return fresh;
  }

  private takeBlock(): number {
    const { layers, heads, headDim } = this.options;
    const reused = this.free.pop();
    const block = reused ?? this.storage.length;
    if (reused === undefined) {
      const fresh = this.unfinished;
      while (fresh.length < layers) {
        fresh.push(this.kernels.createBlock(fresh.length, heads, headDim));
      }
      this.unfinished = [];
      this.storage.push(fresh);
    }
    this.references[block] = 1;
    return block;
  }

  private drop(block: number): void {
    this.references[block] -= 1;
    if (this.references[block] === 0) this.free.push(block);
  }

  private find(sequence: number): Sequence {
    const found = this.sequences.get(sequence);
    if (found === undefined) throw sequenceClosed(sequence);
    return found;
  }
}

/** The error of using a sequence that is not in the cache. */
export function sequenceClosed(sequence: number): BaichuanError {
  return new BaichuanError('sequence-closed', {
    where: `sequence ${sequence}`,
    what: 'The cache holds no such sequence.',
    fix: 'Open a sequence, and do not use one that was closed.',
  });
}

/** Checks a length to fork or roll back to. @throws cache-position */
export function expectWithin(length: number, held: number): void {
  if (Number.isInteger(length) && length >= 0 && length <= held) return;
  throw unexpectedPosition(length, held);
}

function unexpectedPosition(position: number, held: number): BaichuanError {
  return new BaichuanError('cache-position', {
    what: `Position ${position} does not fit a sequence that holds ${held} positions.`,
    fix: 'Append at the length of the sequence, and roll back or fork to at most that length.',
    expected: held,
    found: position,
  });
}

function tooLong(needed: number, contextLength: number): BaichuanError {
  return new BaichuanError('context-length', {
    what: `${needed} positions are needed, but the cache was made for ${contextLength}.`,
    fix: 'Load the model with a larger context length (--context-length), or shorten the prompt.',
    expected: contextLength,
    found: needed,
  });
}
