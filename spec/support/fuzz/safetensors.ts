/** safetensors as a target: valid files of any tensors, then edits of the header under a right or
 *  a wrong length, and of the whole file. The second reader is `JSON.parse` and a slice. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { openSafetensors } from '../../../src/formats/safetensors.ts';
import { countingBytes, joinBytes } from '../model-files.ts';
import { type Json, jsonObject, markedJson } from './json-writer.ts';
import { type Marked, MarkedWriter } from './marked.ts';
import { edits, mutate } from './mutate.ts';
import { type FuzzTarget, fuzzSource } from './target.ts';

const ITEM_BYTES: Record<string, number> = {
  ...{ BOOL: 1, U8: 1, I8: 1, U16: 2, I16: 2, F16: 2, BF16: 2 },
  ...{ U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8 },
};

const tensor = fc.record({
  name: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('a', 'b.weight', 'c', '世', '__proto__', 'q"\\') },
    { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 5 }) },
  ),
  dtype: fc.constantFrom('F32', 'F16', 'BF16', 'I8', 'U8', 'I64', 'F64'),
  shape: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
});

const metadata = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  {
    weight: 1,
    arbitrary: fc.dictionary(fc.constantFrom('format', 'a'), fc.string({ maxLength: 4 })),
  },
);

interface Parts {
  readonly header: Marked;
  readonly dataBytes: number;
}

/** A change that leaves a header in form: where a tensor lies, what it is, how much follows. */
interface Twist {
  readonly what: 'begin' | 'end' | 'range' | 'dtype' | 'shape' | 'copy' | 'data';
  readonly place: number;
  readonly by: number;
}

const twist: fc.Arbitrary<Twist> = fc.record({
  what: fc.constantFrom<Twist['what']>('begin', 'end', 'range', 'dtype', 'shape', 'copy', 'data'),
  place: fc.nat(9),
  by: fc.constantFrom(-8, -4, -2, -1, 1, 2, 4, 8, 2 ** 32, 2 ** 53),
});

interface Entry {
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

/** @returns how many bytes of data follow the header now */
function twistEntry(entries: Entry[], dataBytes: number, { what, place, by }: Twist): number {
  if (what === 'data') return Math.max(0, dataBytes + (by % 64));
  if (entries.length === 0) return dataBytes;
  const entry = entries[place % entries.length];
  const other = entries[(place + 1) % entries.length];
  if (what === 'begin' || what === 'range') entry.begin += by;
  if (what === 'end' || what === 'range') entry.end += by;
  if (what === 'dtype') entry.dtype = other.dtype;
  if (what === 'shape') entry.shape.push(by);
  if (what === 'copy') Object.assign(entry, { ...other, shape: [...other.shape] });
  return dataBytes;
}

/** Valid headers, their tensors in any order, with the number of bytes behind them; or, twisted,
 *  headers that are in form and wrong. */
const partsOf = (isTwisted: boolean): fc.Arbitrary<Parts> =>
  fc
    .tuple(
      fc.uniqueArray(tensor, { maxLength: 4, selector: ({ name }) => name }),
      metadata,
      fc.boolean(),
      fc.constantFrom('', '', ' '),
      fc.array(twist, { maxLength: isTwisted ? 2 : 0 }),
    )
    .map(([tensors, texts, isReversed, space, twists]) => {
      let dataBytes = 0;
      const entries = tensors.map(({ name, dtype, shape }) => {
        const begin = dataBytes;
        dataBytes += shape.reduce((total, axis) => total * axis, ITEM_BYTES[dtype]);
        return { name, dtype, shape: [...shape], begin, end: dataBytes };
      });
      for (const each of twists) dataBytes = twistEntry(entries, dataBytes, each);
      const members: [string, Json][] = entries.map(({ name, dtype, shape, begin, end }) => {
        return [name, jsonObject({ dtype, shape, data_offsets: [begin, end] })];
      });
      if (isReversed) members.reverse();
      if (texts !== undefined) members.unshift(['__metadata__', jsonObject({ ...texts })]);
      return { header: markedJson(new Map(members), space), dataBytes };
    });

const parts = partsOf(false);

function wholeFile({ header, dataBytes }: Parts): Marked {
  const writer = new MarkedWriter().number(8, header.bytes.length).marked(header);
  return writer.raw(countingBytes(dataBytes)).done();
}

/** Edits inside the header, whose length and alignment are then put right. */
const editedHeaders = fc.tuple(parts, edits, parts).map(([file, changes, other]) => {
  const bytes = mutate(file.header, changes, other.header);
  const header: Marked = { bytes, fields: [], records: [] };
  return wholeFile({ header, dataBytes: file.dataBytes }).bytes;
});

const editedFiles = fc
  .tuple(parts, edits, parts)
  .map(([file, changes, other]) => mutate(wholeFile(file), changes, wholeFile(other)));

interface Opened {
  readonly tensors: Map<string, unknown>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Opening and reading everything. */
export const safetensorsTarget: FuzzTarget = {
  name: 'safetensors',
  cases: fc.oneof(
    { weight: 1, arbitrary: parts.map((file) => wholeFile(file).bytes) },
    { weight: 3, arbitrary: partsOf(true).map((file) => wholeFile(file).bytes) },
    { weight: 5, arbitrary: editedHeaders },
    { weight: 5, arbitrary: editedFiles },
  ),
  async open(bytes, blockBytes): Promise<Opened> {
    const checkpoint = await openSafetensors(fuzzSource('x.safetensors', bytes, blockBytes));
    const tensors = new Map<string, unknown>();
    for (const [name, { dtype, shape, byteLength, read }] of checkpoint.tensors) {
      const middle = Math.floor(byteLength / 2);
      const data = joinBytes(await read(0, middle), await read(middle, byteLength - middle));
      tensors.set(name, { dtype, shape, data });
    }
    await checkpoint.close();
    return { tensors, metadata: checkpoint.metadata };
  },
  async expectSame(bytes, opened) {
    const { tensors, metadata: texts } = opened as Opened;
    assert.equal(tensors, otherTensors(bytes), 'I7: JSON.parse and a slice');
    const other = (headerOf(bytes).__metadata__ ?? {}) as Record<string, string>;
    assert.equal(new Map(texts), new Map(Object.entries(other)));
  },
};

function headerOf(bytes: Uint8Array): Record<string, unknown> {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return JSON.parse(
    new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)),
  );
}

/** The tensors as another reader has them; their ranges must cover the data once. */
function otherTensors(bytes: Uint8Array): Map<string, unknown> {
  const header = Object.entries(headerOf(bytes)).filter(([name]) => name !== '__metadata__');
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const data = bytes.subarray(8 + length);
  const covered = new Uint8Array(data.length);
  const tensors = new Map<string, unknown>();
  for (const [name, entry] of header) {
    const { dtype, shape, data_offsets } = entry as {
      dtype: string;
      shape: number[];
      data_offsets: [number, number];
    };
    const [begin, end] = data_offsets;
    for (let index = begin; index < end; index++) covered[index] += 1;
    assert.is(
      end - begin,
      shape.reduce((total, axis) => total * axis, ITEM_BYTES[dtype]),
    );
    tensors.set(name, { dtype, shape, data: data.slice(begin, end) });
  }
  assert.ok(
    covered.every((times) => times === 1),
    'every byte belongs to one tensor',
  );
  return tensors;
}
