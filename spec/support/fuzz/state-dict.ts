/** The state dict as a target: whole files whose archive is right, and whose pickle describes
 *  tensors of every kind, with hostile numbers and values here and there. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { openTorch } from '../../../src/formats/torch/torch.ts';
import { type OtherTensor, otherEntries, otherPickle } from '../independent-torch.ts';
import { type Code, orderedDict } from '../pickle-code.ts';
import { parameterCode, STORAGES, tensorCode, torchFile, type View } from '../torch-file.ts';
import type { FuzzTarget } from './target.ts';

/** Bytes of both storages. */
const STORAGE_BYTES = 48;

/** Values at which checks of sizes break, and values of other types. */
const hostile: fc.Arbitrary<Code> = fc.constantFrom<Code>(
  ...[
    -1,
    0,
    1,
    48,
    49,
    2 ** 31,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 53 - 1,
    2n ** 53n,
    2n ** 63n,
    -(2n ** 63n),
  ],
  ...[0.5, null, true, '3', { tuple: [] }],
);

/** Mostly a right value, sometimes a hostile one. */
function mostly(arbitrary: fc.Arbitrary<Code>): fc.Arbitrary<Code> {
  return fc.oneof({ weight: 24, arbitrary }, { weight: 1, arbitrary: hostile });
}

/** A view that fits, in the order of its axes or in another; then hostile in places. */
const view = (dtypes: readonly string[]): fc.Arbitrary<View> =>
  fc
    .record({
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      turned: fc.boolean(),
      offset: fc.nat(2),
    })
    .chain(({ dtype, shape, turned, offset }) => {
      const elements = STORAGE_BYTES / STORAGES[dtype][1];
      const order = turned ? [...shape].reverse() : shape;
      const steps = order.map((_, axis) => order.slice(axis + 1).reduce((a, b) => a * b, 1));
      const strides = turned ? steps.reverse() : steps;
      return fc.record({
        dtype: fc.constant(dtype),
        // A key stands for one type, so that most files are right.
        key: mostly(fc.constant(`${dtype}`)),
        elements: mostly(fc.constant(elements)),
        offset: mostly(fc.constant(offset)),
        shape: fc.tuple(...shape.map((length) => mostly(fc.constant(length)))),
        strides: fc.tuple(...strides.map((step) => mostly(fc.constant(step)))),
        location: mostly(fc.constant('cpu')),
      });
    });

const tensor = (dtypes: readonly string[]) =>
  fc
    .tuple(view(dtypes), fc.boolean())
    .map(([each, isParameter]) =>
      isParameter ? parameterCode(tensorCode(each)) : tensorCode(each),
    );

const key: fc.Arbitrary<Code> = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom<Code>('a.weight', 'a.bias', 'b.weight', 'c', 'd') },
  { weight: 1, arbitrary: fc.constantFrom<Code>('__proto__', 'constructor', '', '../a', 'a\0b') },
  { weight: 1, arbitrary: hostile },
);

const value = (dtypes: readonly string[]) =>
  fc.oneof(
    { weight: 40, arbitrary: tensor(dtypes) },
    { weight: 1, arbitrary: hostile },
    { weight: 1, arbitrary: tensor(dtypes).map((inner): Code => ({ dict: [['a', inner]] })) },
  );

/** Whole files, of one or two types. */
export const stateDictFiles: fc.Arbitrary<Uint8Array> = fc
  .subarray(Object.keys(STORAGES), { minLength: 1, maxLength: 2 })
  .chain((dtypes) => {
    const item = fc.tuple(key, value(dtypes));
    return fc
      .tuple(
        fc.uniqueArray(item, { maxLength: 4, selector: ([each]) => String(each) }),
        fc.constantFrom(undefined, undefined, undefined, ...new Array(9).fill('little'), 'big'),
        fc.constantFrom(...new Array(15).fill(STORAGE_BYTES), 40),
      )
      .map(([items, byteOrder, size]) => {
        const bytes = Uint8Array.from({ length: size }, (_, index) => 7 * index);
        const storages = Object.fromEntries(dtypes.map((dtype) => [dtype, bytes]));
        return torchFile({ state: orderedDict(items), storages, byteOrder }).bytes;
      });
  });

interface Opened {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Opening and reading everything. What is accepted, two other readers must read alike. */
export const stateDictTarget: FuzzTarget = {
  name: 'state-dict',
  cases: stateDictFiles,
  async open(bytes, blockBytes): Promise<Map<string, Opened>> {
    const { tensors } = await openTorch(bufferSource('x.bin', bytes), { blockBytes });
    const opened = new Map<string, Opened>();
    for (const [name, { dtype, shape, byteLength, read }] of tensors) {
      opened.set(name, { dtype, shape, bytes: await read(0, byteLength) });
    }
    return opened;
  },
  async expectSame(bytes, opened) {
    const entries = new Map((await otherEntries(bytes)).map((entry) => [entry.name, entry]));
    const data = await entries.get('archive/data.pkl')?.data();
    const expected = otherPickle(data ?? new Uint8Array(0)) as Map<string, OtherTensor>;
    const found = opened as Map<string, Opened>;
    assert.equal([...found.keys()], [...expected.keys()]);
    const storages = new Map<string, Uint8Array>();
    for (const { key: used } of expected.values()) {
      const data = storages.get(used) ?? (await entries.get(`archive/data/${used}`)?.data());
      storages.set(used, data ?? new Uint8Array(0));
    }
    for (const [name, tensorFound] of found) {
      const other = expected.get(name) as OtherTensor;
      const storage = storages.get(other.key);
      const size = STORAGES[tensorFound.dtype][1];
      assert.equal([STORAGES[tensorFound.dtype][0], tensorFound.shape], [other.type, other.shape]);
      assert.equal(tensorFound.bytes, gathered(storage ?? new Uint8Array(0), size, other), name);
    }
  },
};

/** The elements of a view, one by one. */
export function gathered(
  storage: Uint8Array,
  itemBytes: number,
  { offset, shape, strides }: Pick<OtherTensor, 'offset' | 'shape' | 'strides'>,
): Uint8Array {
  if (shape.includes(0)) return new Uint8Array(0);
  const [length, ...inner] = shape;
  if (length === undefined) return storage.slice(offset * itemBytes, (offset + 1) * itemBytes);
  const parts = Array.from({ length }, (_, index) =>
    gathered(storage, itemBytes, {
      offset: offset + index * strides[0],
      shape: inner,
      strides: strides.slice(1),
    }),
  );
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
