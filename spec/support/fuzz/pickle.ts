/** The pickle interpreter as a target: pickles of state dicts and of plain data, mutated. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { readPickle } from '../../../src/formats/torch/pickle-reader.ts';
import type { PickleValue } from '../../../src/formats/torch/pickle-values.ts';
import { STATE_DICT_HOOKS } from '../../../src/formats/torch/rebuild.ts';
import { otherPickle } from '../independent-torch.ts';
import { type Code, orderedDict, pickle } from '../pickle-code.ts';
import { parameterCode, STORAGES, tensorCode } from '../torch-file.ts';
import type { Marked } from './marked.ts';
import { edits, mutate } from './mutate.ts';
import type { FuzzTarget } from './target.ts';

const size = fc.integer({ min: 0, max: 70_000 });

/** A tensor as it is pickled, right or not. */
const tensor: fc.Arbitrary<Code> = fc
  .record({
    dtype: fc.constantFrom(...Object.keys(STORAGES)),
    key: fc.constantFrom('0', '1', '17'),
    elements: size,
    offset: size,
    shape: fc.array(size, { maxLength: 3 }),
    strides: fc.array(size, { maxLength: 3 }),
    isParameter: fc.boolean(),
  })
  .map(({ isParameter, ...view }) => {
    const code = tensorCode({ ...view, strides: view.shape.map((_, i) => view.strides[i] ?? 1) });
    return isParameter ? parameterCode(code) : code;
  });

const { tree } = fc.letrec<{ tree: Code }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ maxLength: 6 })),
    tensor,
    fc.array(tie('tree'), { maxLength: 4 }).map((tuple) => ({ tuple })),
    fc.array(tie('tree'), { maxLength: 4 }).map((list) => ({ list })),
    fc
      .uniqueArray(fc.tuple(fc.string({ maxLength: 4 }), tie('tree')), {
        maxLength: 4,
        selector: ([key]) => key,
      })
      .map(orderedDict),
  ),
}));

/** Valid pickles, of the protocol that `torch.save` writes and of a newer one. */
export const pickles: fc.Arbitrary<Marked> = fc
  .tuple(tree, fc.constantFrom(2, 4))
  .map(([value, protocol]) => pickle(value, protocol));

/** Pickles with one to three edits. */
export const mutatedPickles: fc.Arbitrary<Uint8Array> = fc
  .tuple(pickles, edits, pickles)
  .map(([file, changes, other]) => mutate(file, changes, other));

/** A value as pickleparser shows it. */
function plain(value: PickleValue): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value.kind === 'tuple' || value.kind === 'list') return value.items.map(plain);
  if (value.kind === 'dict') {
    return new Map([...value.entries].map(([key, item]) => [key, plain(item)]));
  }
  if (value.kind === 'global') return value.name;
  if (value.kind === 'storage') return storageOf(value);
  const { storage, offset, shape, strides } = value;
  return { ...storageOf(storage), offset, shape, strides };
}

function storageOf({ dtype, key, elements }: Extract<PickleValue, { kind: 'storage' }>) {
  return { type: STORAGES[dtype][0], key, elements };
}

/** Whether a value holds nothing that pickleparser shows otherwise. */
function isComparable(value: PickleValue): boolean {
  if (typeof value === 'bigint') return false;
  // pickleparser drops a byte order mark at the beginning of a text, which CPython keeps.
  if (typeof value === 'string') return !value.startsWith('\ufeff');
  if (typeof value !== 'object' || value === null) return true;
  if (value.kind === 'tuple' || value.kind === 'list') return value.items.every(isComparable);
  if (value.kind !== 'dict') return value.kind !== 'global';
  return [...value.entries].every(([key, item]) => isComparable(key) && isComparable(item));
}

/** The interpreter. What it accepts, pickleparser must read alike. */
export const pickleTarget: FuzzTarget = {
  name: 'pickle',
  cases: mutatedPickles,
  open: async (bytes) => readPickle(bytes, 'x.bin', STATE_DICT_HOOKS),
  async expectSame(bytes, opened) {
    const value = opened as PickleValue;
    if (isComparable(value)) assert.equal(plain(value), otherPickle(bytes), 'I7: pickleparser');
  },
};
