import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteSink } from '../../src/formats/byte-source.ts';
import { type ElementType, STORED_TYPE_BYTES } from '../../src/formats/checkpoint.ts';
import {
  safetensorsHeader,
  startSafetensors,
  storedByteLength,
  writeSafetensors,
} from '../../src/formats/safetensors-writer.ts';
import { contentOf, countingBytes, joinBytes, openBytes } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const writer = suite('safetensors-writer');

function memorySink(): ByteSink & { readonly pieces: Uint8Array[] } {
  const pieces: Uint8Array[] = [];
  return { pieces, write: async (bytes) => void pieces.push(Uint8Array.from(bytes)) };
}

const types: ElementType[] = ['F64', 'F32', 'F16', 'BF16', 'I64', 'I32', 'I16', 'I8', 'U8', 'BOOL'];
const tensor = fc.record({
  dtype: fc.constantFrom(...types),
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
});

function* chunksOf(bytes: Uint8Array, step: number): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += step) {
    yield bytes.subarray(offset, offset + step);
  }
}

writer('law: what is written reads back, in pieces of any size', async () => {
  const keys = fc.uniqueArray(fc.constantFrom('a', 'b', '世', '__proto__', 'q"\\'), {
    maxLength: 4,
  });
  const metadata = fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' }), { maxKeys: 3 });
  const pieces = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(keys, fc.array(tensor), metadata, pieces, async (names, kinds, text, step) => {
      const list = names.slice(0, kinds.length).map((name, index) => {
        const description = { name, ...kinds[index] };
        return { ...description, data: countingBytes(storedByteLength(description)) };
      });
      const sink = memorySink();
      const pairs = new Map(Object.entries(text));
      const tensors = list.map((item) => ({ ...item, chunks: chunksOf(item.data, step) }));
      await writeSafetensors(sink, tensors, pairs);
      const checkpoint = await openBytes(joinBytes(...sink.pieces));
      assert.equal([...checkpoint.metadata], [...pairs]);
      const found = new Map(Object.entries(await contentOf(checkpoint)));
      for (const { name, dtype, shape, data } of list) {
        assert.equal(found.get(name), { dtype, shape, bytes: [...data] });
      }
      assert.is(checkpoint.tensors.size, list.length);
    }),
    { seed: 1, numRuns: 300 },
  );
});

writer('law: the header is padded so that the data begin at a multiple of 8', () => {
  for (let length = 1; length < 20; length++) {
    const name = 'n'.repeat(length);
    const header = safetensorsHeader([{ name, dtype: 'F32', shape: [1] }]);
    assert.is(header.length % 8, 0);
    assert.is(Number(new DataView(header.buffer).getBigUint64(0, true)), header.length - 8);
  }
});

writer('golden: the header of two tensors, byte for byte', () => {
  const header = safetensorsHeader(
    [
      { name: 'x', dtype: 'F32', shape: [2, 3] },
      { name: 'ids', dtype: 'I64', shape: [] },
    ],
    new Map([['format', 'pt']]),
  );
  const json =
    '{"__metadata__":{"format":"pt"},' +
    '"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},' +
    '"ids":{"dtype":"I64","shape":[],"data_offsets":[24,32]}}';
  const text = new TextDecoder().decode(header.subarray(8));
  assert.is(text.trimEnd(), json);
  assert.is(header[0], Math.ceil(json.length / 8) * 8);
});

writer('law: data is asked for only when its turn has come', async () => {
  const order: string[] = [];
  function* source(name: string) {
    order.push(`${name} asked`);
    yield new Uint8Array(4);
    order.push(`${name} done`);
  }
  const tensors = ['a', 'b'].map((name) => ({
    ...{ name, dtype: 'F32' as const, shape: [1] },
    chunks: source(name),
  }));
  await writeSafetensors({ write: async (bytes) => void order.push(`${bytes.length}`) }, tensors);
  const header = safetensorsHeader(tensors).length;
  assert.equal(order, [`${header}`, 'a asked', '4', 'a done', 'b asked', '4', 'b done']);
});

writer('law: a tensor may come in asynchronous pieces', async () => {
  async function* chunks() {
    yield Uint8Array.of(1, 2);
    yield Uint8Array.of(3);
  }
  const sink = memorySink();
  await writeSafetensors(sink, [{ name: 'a', dtype: 'U8', shape: [3], chunks: chunks() }]);
  const content = await contentOf(await openBytes(joinBytes(...sink.pieces)));
  assert.equal(content.a.bytes, [1, 2, 3]);
});

writer('law: the size of a tensor is its elements times the bytes of its type', () => {
  for (const [dtype, bytes] of Object.entries(STORED_TYPE_BYTES)) {
    const description = { name: 'a', dtype: dtype as ElementType, shape: [3, 5] };
    assert.is(storedByteLength(description), 15 * bytes);
  }
});

writer('error: data missing, too long, out of turn, or of no tensor', async () => {
  const list = ['a', 'b'].map((name) => ({ name, dtype: 'U8' as const, shape: [2] }));
  const code = 'shape-mismatch';
  const start = () => startSafetensors(memorySink(), list);
  const missing = async () => {
    const file = await start();
    await file.append('a', new Uint8Array(2));
    await file.append('b', new Uint8Array(1));
    await file.finish();
  };
  await expectRefusal(missing, { code, where: '"b"', expected: 2, found: 1, fix: 'all bytes' });
  const long = async () => (await start()).append('a', new Uint8Array(3));
  await expectRefusal(long, { code, where: '"a"', expected: 2, found: 3 });
  const early = async () => (await start()).append('b', new Uint8Array(2));
  await expectRefusal(early, { code, where: '"a"', expected: 2, found: 0 });
  const late = async () => {
    const file = await start();
    await file.append('a', new Uint8Array(2));
    await file.append('b', new Uint8Array(2));
    await file.append('a', new Uint8Array(0));
  };
  await expectRefusal(late, { code, where: '"a"', fix: 'order of the header' });
});

writer('error: names and shapes that no reader would take', async () => {
  const write = (name: string, shape: number[]) => () =>
    safetensorsHeader([{ name, dtype: 'U8', shape }]);
  await expectRefusal(write('', [1]), { code: 'safetensors-name' });
  await expectRefusal(write('\ud800', [1]), { code: 'safetensors-name', message: 'surrogate' });
  for (const shape of [[-1], [1.5], [2 ** 33], [2 ** 32, 2 ** 32], [Number.NaN]]) {
    await expectRefusal(write('a', shape), { code: 'shape-mismatch', where: '"a"' });
  }
  const one = { name: 'a', dtype: 'U8', shape: [1] } as const;
  const twice = () => safetensorsHeader([one, one]);
  await expectRefusal(twice, { code: 'safetensors-duplicate', where: '"a"' });
  const metadata = () => safetensorsHeader([{ ...one, name: '__metadata__' }]);
  await expectRefusal(metadata, { code: 'safetensors-duplicate' });
});

writer.run();
