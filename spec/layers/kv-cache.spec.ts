/** The cache against a plain model of it: every sequence an array of the numbers written to it. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_POSITIONS } from '../../src/kernels/kernels.ts';
import { createReferenceKernels } from '../../src/kernels/reference/index.ts';
import { KvCache } from '../../src/layers/kv-cache.ts';
import { float32, tensorOf } from '../../src/tensor/tensor.ts';

const layer = suite('kv-cache');

const [LAYERS, HEADS, HEAD_DIM] = [2, 3, 5];
const CONTEXT = 300;

function newCache() {
  const kernels = createReferenceKernels({ debug: true });
  const options = { layers: LAYERS, heads: HEADS, headDim: HEAD_DIM, contextLength: CONTEXT };
  return { kernels, cache: new KvCache(kernels, options) };
}

type System = ReturnType<typeof newCache>;

/** Appends one number per position; layer, head and channel make the cached value distinct. */
function append({ kernels, cache }: System, sequence: number, numbers: readonly number[]): void {
  const position = cache.length(sequence);
  const segment = { sequence, start: 0, count: numbers.length, position };
  cache.reserve(segment);
  for (let index = 0; index < LAYERS; index++) {
    const fill = (sign: number) =>
      tensorOf(
        Float32Array.from({ length: numbers.length * HEADS * HEAD_DIM }, (_, i) => {
          const number = numbers[Math.floor(i / (HEADS * HEAD_DIM))];
          return sign * (number * 100 + index * 50 + (i % (HEADS * HEAD_DIM)));
        }),
        [numbers.length, HEADS, HEAD_DIM],
      );
    kernels.appendKeyValue(fill(1), fill(-1), cache.view(index, segment));
  }
  cache.commit(segment);
}

/** The numbers that attention finds: one-hot probabilities read each position's value back. */
function readBack({ kernels, cache }: System, sequence: number): number[] {
  const length = cache.length(sequence);
  if (length === 0) return [];
  const view = cache.view(1, { sequence, start: 0, count: 1, position: length - 1 });
  return Array.from({ length }, (_, s) => {
    // With q = 0 all visible keys weigh the same: the mean over one more gives the newest value.
    const mean = (count: number) => {
      const target = tensorOf(new Float32Array(HEADS * HEAD_DIM), [1, HEADS, HEAD_DIM]);
      const q = tensorOf(new Float32Array(HEADS * HEAD_DIM), [1, HEADS, HEAD_DIM]);
      const shortened = { blocks: view.blocks, position: count - 1, count: 1 };
      kernels.attention(
        q,
        shortened,
        { scale: 1, slopes: null, observe: { scores: null, probs: null } },
        target,
      );
      return float32(target)[0];
    };
    const newest = mean(s + 1) * (s + 1) - (s === 0 ? 0 : mean(s) * s);
    return Math.round((-newest - 50) / 100);
  });
}

layer('law: append, fork, rollback and close keep every sequence as an array would', () => {
  const step = fc.record({
    kind: fc.constantFrom('open', 'append', 'append', 'append', 'fork', 'rollback', 'close'),
    pick: fc.nat(1000),
    amount: fc.nat(90),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const system = newCache();
      const { cache } = system;
      const model = new Map<number, number[]>([[cache.open(), []]]);
      let counter = 0;
      for (const { kind, pick, amount } of steps) {
        const sequences = [...model.keys()];
        const sequence = sequences[pick % Math.max(1, sequences.length)];
        const numbers = model.get(sequence);
        if (kind === 'open' || numbers === undefined) model.set(cache.open(), []);
        else if (kind === 'append' && numbers.length + amount <= CONTEXT) {
          const added = Array.from({ length: amount }, () => (counter++ % 40) + 1);
          append(system, sequence, added);
          numbers.push(...added);
        } else if (kind === 'fork') {
          const length = amount % (numbers.length + 1);
          model.set(cache.fork(sequence, length), numbers.slice(0, length));
        } else if (kind === 'rollback') {
          const length = amount % (numbers.length + 1);
          cache.rollback(sequence, length);
          numbers.length = length;
        } else if (kind === 'close') {
          cache.close(sequence);
          model.delete(sequence);
        }
      }
      for (const [sequence, numbers] of model) {
        assert.is(cache.length(sequence), numbers.length);
        assert.equal(readBack(system, sequence), numbers);
        cache.close(sequence);
      }
      assert.is(cache.usedBlocks, 0, 'every block is free once every sequence is closed');
    }),
    { seed: 1, numRuns: 60 },
  );
});

layer('law: a fork shares blocks until one of both writes into a shared one', () => {
  const system = newCache();
  const { cache } = system;
  const first = cache.open();
  append(
    system,
    first,
    Array.from({ length: BLOCK_POSITIONS + 6 }, (_, i) => (i % 7) + 1),
  );
  assert.is(cache.usedBlocks, 2);
  const second = cache.fork(first);
  assert.is(cache.usedBlocks, 2);
  append(system, second, [9]);
  assert.is(cache.usedBlocks, 3, 'only the shared last block is copied');
  append(system, first, [8]);
  assert.is(cache.usedBlocks, 3, 'the last block is no longer shared');
  assert.is(readBack(system, first).at(-1), 8);
  assert.is(readBack(system, second).at(-1), 9);
});

layer('law: blocks are made on use and used again', () => {
  const system = newCache();
  const { cache } = system;
  assert.is(cache.usedBlocks, 0);
  const first = cache.open();
  append(system, first, [1]);
  assert.is(cache.usedBlocks, 1);
  append(
    system,
    first,
    Array.from({ length: BLOCK_POSITIONS }, () => 2),
  );
  assert.is(cache.usedBlocks, 2);
  cache.rollback(first, 1);
  assert.is(cache.usedBlocks, 1);
  cache.close(first);
  cache.close(first);
  assert.is(cache.usedBlocks, 0);
});

layer('law: a pass that is not committed leaves length and content as they were', () => {
  const system = newCache();
  const { cache } = system;
  const sequence = cache.open();
  append(system, sequence, [1, 2, 3]);
  cache.reserve({ sequence, start: 0, count: 100, position: 3 });
  assert.is(cache.length(sequence), 3);
  append(system, sequence, [4]);
  assert.equal(readBack(system, sequence), [1, 2, 3, 4]);
});

layer('error: more positions than the context length are refused with both numbers', () => {
  const { cache } = newCache();
  const sequence = cache.open();
  assert.throws(
    () => cache.reserve({ sequence, start: 0, count: CONTEXT + 1, position: 0 }),
    /context-length: 301 positions are needed, but the cache was made for 300\. .*--context-length/,
  );
  assert.is(cache.usedBlocks, 0);
});

layer('error: a position that leaves a gap, a longer fork or rollback, a closed sequence', () => {
  const system = newCache();
  const { cache } = system;
  const sequence = cache.open();
  append(system, sequence, [1, 2]);
  const gap = { sequence, start: 0, count: 1, position: 5 };
  assert.throws(() => cache.reserve(gap), /cache-position: Position 5 .* holds 2 positions/);
  assert.throws(() => cache.fork(sequence, 3), /cache-position: Position 3/);
  assert.throws(() => cache.rollback(sequence, -1), /cache-position: Position -1/);
  cache.close(sequence);
  assert.throws(() => cache.length(sequence), /sequence-closed: sequence 0: /);
});

layer.run();
