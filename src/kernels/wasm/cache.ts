/** Attention and the key/value cache in banks: a block is a pointer, a sequence a table of them. */

import { expectShape } from '../../tensor/shape.ts';
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts';
import {
  BLOCK_POSITIONS,
  type Kernels,
  type KeyValueBlock,
  type KeyValueView,
} from '../kernels.ts';
import type { Bank } from './bank.ts';
import type { BankSet } from './index.ts';
import { type CacheFormat, cacheBlockBytes } from './layout.ts';

interface BankBlock extends KeyValueBlock {
  readonly bank: Bank;
  readonly pointer: number;
}

/** Queries of a head that one step of attention takes together, at most. */
const QUERIES = 8;

const KERNELS = {
  f32: { append: 'appendKeyValueF32', attend: 'attentionF32' },
  int8: { append: 'appendKeyValueInt8', attend: 'attentionInt8' },
} as const;

type CacheOperations = Pick<Kernels, 'createBlock' | 'copyBlock' | 'appendKeyValue' | 'attention'>;

/** The operations on the cache. */
export function createCacheOperations(set: BankSet, format: CacheFormat): CacheOperations {
  const slopesIn = createSlopeTable();
  return {
    createBlock(layer, heads, headDim): BankBlock {
      const bank = set.bankAt(layer);
      const pointer = bank.allocate(cacheBlockBytes(format, heads, headDim));
      return { heads, headDim, bank, pointer };
    },

    copyBlock: (source, target) => copyBlock(source as BankBlock, target as BankBlock, format),

    appendKeyValue(key, value, cache) {
      const { H, D } = expectShape('key', key, { T: cache.count, H: 'any', D: 'any' });
      expectShape('value', value, { T: cache.count, H, D });
      const bank = bankOf(cache);
      const mark = bank.arena.mark();
      const inputs = [key, value].map((tensor) => set.into(bank, tensor).byteOffset);
      const args = [writeTable(bank, cache), ...inputs, H, D, cache.position];
      const range = { units: cache.count, work: 2 * cache.count * H * D };
      set.runner.run(bank, KERNELS[format].append, args, range);
      bank.arena.release(mark);
    },

    attention(q, cache, { scale, slopes, observe }, target) {
      const { position, count } = cache;
      const { H, D } = expectShape('q', q, { T: count, H: 'any', D: 'any' });
      const bank = bankOf(cache);
      const mark = bank.arena.mark();
      const query = set.into(bank, q).byteOffset;
      const table = writeTable(bank, cache);
      const slopesPtr = slopes === null ? 0 : slopesIn(bank, slopes);
      const stride = attentionScratchBytes(position + count, D);
      const scratch = bank.arena.allocate([(H * stride) / 4]).byteOffset;
      const watched = (tensor: Tensor | null) => (tensor === null ? null : set.into(bank, tensor));
      const [scores, probs] = [watched(observe.scores), watched(observe.probs)];
      set.filling(bank, target, ({ byteOffset }) => {
        const sizes = [H, D, position, count, scale, slopesPtr];
        const seen = [scores, probs].map((tensor) => tensor?.byteOffset ?? 0);
        const args = [byteOffset, query, table, ...sizes, ...seen, scratch, stride];
        const work = 2 * count * H * D * (position + count);
        set.runner.run(bank, KERNELS[format].attend, args, { units: H, work });
      });
      copyBack(scores, observe.scores);
      copyBack(probs, observe.probs);
      if (set.bankOf(target) === bank) bank.arena.release(mark);
    },
  };
}

/** The bank of a sequence's blocks in one layer. */
function bankOf({ blocks }: KeyValueView): Bank {
  return (blocks[0] as BankBlock).bank;
}

function copyBlock(from: BankBlock, to: BankBlock, format: CacheFormat): void {
  const byteLength = cacheBlockBytes(format, from.heads, from.headDim);
  to.bank.bytes(to.pointer, byteLength).set(from.bank.bytes(from.pointer, byteLength));
}

/** Slopes are the same for all layers: one copy per bank. */
function createSlopeTable(): (bank: Bank, slopes: Float32Array) => number {
  const pointers = new Map<Float32Array, Map<Bank, number>>();
  return (bank, slopes) => {
    const known = pointers.get(slopes) ?? new Map<Bank, number>();
    pointers.set(slopes, known);
    const pointer = known.get(bank) ?? bank.allocate(slopes.byteLength);
    if (!known.has(bank)) new Float32Array(bank.memory.buffer, pointer, slopes.length).set(slopes);
    known.set(bank, pointer);
    return pointer;
  };
}

/** Working memory of one head: scores of some queries over all positions, and some rows of D. */
export function attentionScratchBytes(positions: number, headDim: number): number {
  const blocks = Math.ceil(positions / BLOCK_POSITIONS) + 1;
  return 4 * (QUERIES * blocks * BLOCK_POSITIONS + 4 * QUERIES * Math.ceil(headDim / 16) * 16);
}

/** The pointers of a sequence's blocks, in the arena. */
function writeTable(bank: Bank, { blocks }: KeyValueView): number {
  const { byteOffset } = bank.arena.allocate([blocks.length]);
  const table = new Uint32Array(bank.memory.buffer, byteOffset, blocks.length);
  for (let i = 0; i < blocks.length; i++) table[i] = (blocks[i] as BankBlock).pointer;
  return byteOffset;
}

/** What was observed in a copy goes to where the caller wants it. */
function copyBack(from: Tensor | null, to: Tensor | null): void {
  if (from === null || to === null || from.memory === to.memory) return;
  float32(to).set(float32(from).subarray(0, elementCount(to.shape)));
}
