import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { type ElementType, STORED_TYPE_BYTES } from '../../src/formats/checkpoint.ts';
import {
  type StridedLayout,
  stridedTensor,
  transposedTensor,
} from '../../src/formats/strided-tensor.ts';
import { countingBytes } from '../support/model-files.ts';

const strided = suite('strided-tensor');

/** A view of a storage in memory, with the ranges that were read of it. */
function layoutOf(
  storage: Uint8Array,
  view: { dtype: ElementType; shape: number[]; strides: number[]; offset: number },
) {
  const reads: [number, number][] = [];
  const layout: StridedLayout = {
    name: 'a',
    file: 'x.bin',
    ...view,
    slot: {},
    async read(at, length) {
      reads.push([at, length]);
      assert.ok(at >= 0 && at + length <= storage.length, 'inside the storage');
      return storage.slice(at, at + length);
    },
  };
  return { layout, reads };
}

/** The bytes of a view, element by element: offset + Σ index · stride. */
function elementwise(storage: Uint8Array, { dtype, shape, strides, offset }: StridedLayout) {
  const size = STORED_TYPE_BYTES[dtype];
  const total = shape.reduce((a, b) => a * b, 1);
  const bytes: number[] = [];
  for (let element = 0; element < total; element++) {
    let at = offset;
    let rest = element;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]) * strides[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    bytes.push(...storage.subarray(at * size, (at + 1) * size));
  }
  return Uint8Array.from(bytes);
}

/** Views without overlaps: axes in any order in the storage, with gaps. */
const view = fc
  .record({
    dtype: fc.constantFrom<ElementType>('I8', 'BF16', 'F32', 'F64'),
    lengths: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
    gaps: fc.array(fc.nat(3), { minLength: 4, maxLength: 4 }),
    order: fc.infiniteStream(fc.nat(100)),
    offset: fc.nat(5),
  })
  .map(({ dtype, lengths, gaps, order, offset }) => {
    const keys = lengths.map(() => order.next().value as number);
    const sorted = lengths.map((_, axis) => axis).sort((a, b) => keys[a] - keys[b]);
    const strides = lengths.map(() => 0);
    let reach = 1;
    for (const [index, axis] of sorted.entries()) {
      strides[axis] = reach + gaps[index];
      reach = strides[axis] * lengths[axis];
    }
    return { dtype, shape: lengths, strides, offset, elements: offset + reach };
  });

strided(
  'law: a view reads as its elements one by one, in slabs and pieces of any size',
  async () => {
    await fc.assert(
      fc.asyncProperty(
        view,
        fc.integer({ min: 1, max: 300 }),
        fc.nat(90),
        async (drawn, slab, cut) => {
          const storage = countingBytes(drawn.elements * STORED_TYPE_BYTES[drawn.dtype]);
          const { layout } = layoutOf(storage, drawn);
          const expected = elementwise(storage, layout);
          const { read, byteLength } = stridedTensor(layout, { slabBytes: slab });
          assert.is(byteLength, expected.length);
          const at = cut % (byteLength + 1);
          assert.equal(await read(at, byteLength - at), expected.slice(at));
          assert.equal(await read(0, at), expected.slice(0, at));
          assert.equal(await read(0, byteLength), expected);
        },
      ),
      { seed: 5, numRuns: 500 },
    );
  },
);

strided('law: neighbours are read as they lie, and nothing else', async () => {
  const storage = countingBytes(64);
  const { layout, reads } = layoutOf(storage, {
    dtype: 'F32',
    shape: [2, 1, 5],
    strides: [5, 77, 1],
    offset: 3,
  });
  const { read } = stridedTensor(layout);
  assert.equal(await read(4, 9), storage.slice(16, 25));
  assert.equal(reads, [[16, 9]]);
});

strided('law: a transposed matrix is read once per slab, forwards, and lets go of it', async () => {
  const [rows, columns] = [30, 50];
  const storage = countingBytes(rows * columns * 2);
  const { layout, reads } = layoutOf(storage, {
    dtype: 'F16',
    shape: [columns, rows],
    strides: [1, columns],
    offset: 0,
  });
  const tensor = stridedTensor(layout, { slabBytes: 10 * rows * 2 });
  const expected = elementwise(storage, layout);
  const pieces: number[] = [];
  for (let at = 0; at < expected.length; at += 7) {
    pieces.push(...(await tensor.read(at, Math.min(7, expected.length - at))));
  }
  assert.equal(pieces, [...expected]);
  assert.equal(
    reads.map(([at]) => at),
    [0, 20, 40, 60, 80],
  );
  assert.is(layout.slot.slab, undefined);
});

strided(
  'law: lines far apart are read one by one, close ones together, in bounded reads',
  async () => {
    const far = 40_000;
    const { layout, reads } = layoutOf(new Uint8Array(far * 3 * 2), {
      dtype: 'BF16',
      shape: [2, 3],
      strides: [1, far],
      offset: 0,
    });
    await stridedTensor(layout).read(0, 12);
    assert.equal(
      reads,
      [0, 1, 2].map((line) => [line * far * 2, 4]),
    );
    const columns = 5000;
    const large = layoutOf(new Uint8Array(columns * 2000), {
      dtype: 'U8',
      shape: [columns, 2000],
      strides: [1, columns],
      offset: 0,
    });
    await stridedTensor(large.layout).read(0, columns * 2000);
    assert.ok(large.reads.length >= 3, `${large.reads.length} reads`);
    for (const [, length] of large.reads) assert.ok(length <= 4 * 2 ** 20);
  },
);

strided('law: a line longer than a block is read in parts', async () => {
  const length = 3 * 2 ** 20;
  const storage = countingBytes(length * 2);
  const { layout, reads } = layoutOf(storage, {
    dtype: 'U8',
    shape: [length],
    strides: [2],
    offset: 1,
  });
  const bytes = await stridedTensor(layout).read(0, length);
  for (let i = 0; i < length; i += 997) assert.is(bytes[i], storage[2 * i + 1]);
  for (const [, count] of reads) assert.ok(count <= 4 * 2 ** 20);
});

strided('law: a transpose is a view, of a strided matrix or of a plain one', async () => {
  const storage = countingBytes(24);
  const { layout, reads } = layoutOf(storage, {
    dtype: 'I16',
    shape: [3, 4],
    strides: [1, 3],
    offset: 0,
  });
  const turned = transposedTensor(stridedTensor(layout));
  assert.equal(turned.shape, [4, 3]);
  assert.equal(await turned.read(0, 24), storage);
  assert.equal(reads, [[0, 24]], 'read as it lies');
  const again = transposedTensor({ ...turned });
  assert.equal(again.shape, [3, 4]);
  assert.equal(await again.read(0, 24), elementwise(storage, layout));
});

strided('law: two tensors that share room do not disturb each other', async () => {
  const storage = countingBytes(4000);
  const shared = layoutOf(storage, { dtype: 'U8', shape: [50, 40], strides: [1, 50], offset: 0 });
  const other = { ...shared.layout, offset: 2000 };
  const [first, second] = [shared.layout, other].map((layout) =>
    stridedTensor(layout, { slabBytes: 80 }),
  );
  const halves = await Promise.all(
    [0, 1, 2, 3].map((part) => (part % 2 === 0 ? first : second).read(500 * part, 500)),
  );
  for (const [part, bytes] of halves.entries()) {
    const expected = elementwise(storage, part % 2 === 0 ? shared.layout : other);
    assert.equal(bytes, expected.slice(500 * part, 500 * (part + 1)));
  }
});

strided('error: a range outside the tensor; a failed read is tried anew', async () => {
  const storage = countingBytes(12);
  const { layout } = layoutOf(storage, { dtype: 'U8', shape: [3, 4], strides: [1, 3], offset: 0 });
  let failures = 1;
  const tensor = stridedTensor({
    ...layout,
    read: async (at, length) => {
      failures -= 1;
      if (failures >= 0) throw new BaichuanError('io-failed', { what: 'x.', fix: 'Y.' });
      return layout.read(at, length);
    },
  });
  for (const [at, length] of [
    [0, 13],
    [12, 1],
    [-1, 1],
  ]) {
    const error = await tensor.read(at, length).catch((caught: unknown) => caught);
    assert.is(error instanceof BaichuanError && error.code, 'io-range');
  }
  const failed = await tensor.read(0, 12).catch((caught: unknown) => caught);
  assert.instance(failed, BaichuanError);
  assert.equal(await tensor.read(0, 12), elementwise(storage, layout));
});

strided.run();
