import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { blobSource, bufferSource } from '../../src/formats/byte-source.ts';
import { countingBytes, SOURCE_KINDS } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const byteSource = suite('byte-source');

const bytes = countingBytes(1000);
const sources = await Promise.all(
  Object.entries(SOURCE_KINDS).map(async ([kind, make]) => ({
    kind,
    source: await make('bytes', bytes),
  })),
);

byteSource('law: a range gives the same bytes from every kind of source', async () => {
  const ranges = fc.tuple(fc.nat({ max: 1000 }), fc.nat({ max: 1000 }));
  await fc.assert(
    fc.asyncProperty(ranges, async ([a, b]) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)];
      for (const { kind, source } of sources) {
        const found = await source.read(from, to - from);
        assert.equal([...found], [...bytes.slice(from, to)], kind);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});

byteSource('law: reading in pieces of 1, 7 or 4096 gives the whole', async () => {
  for (const { kind, source } of sources) {
    for (const step of [1, 7, 4096]) {
      const found: number[] = [];
      for (let offset = 0; offset < source.size; offset += step) {
        found.push(...(await source.read(offset, Math.min(step, source.size - offset))));
      }
      assert.equal(found, [...bytes], `${kind} by ${step}`);
    }
  }
});

byteSource('law: what a reader does to the bytes it was given changes no later read', async () => {
  for (const { kind, source } of sources) {
    (await source.read(0, 1000)).fill(7);
    assert.equal([...(await source.read(0, 1000))], [...bytes], kind);
  }
});

byteSource('law: the bytes begin at a multiple of 8, whatever the offset asked for', async () => {
  for (const { kind, source } of sources) {
    assert.is((await source.read(3, 16)).byteOffset % 8, 0, kind);
  }
});

byteSource('error: a range that is not inside the source, from every kind', async () => {
  for (const { source } of sources) {
    for (const [offset, length] of [
      [-1, 1],
      [0, 1001],
      [1000, 1],
      [1001, 0],
      [0.5, 1],
      [0, Number.NaN],
      [0, -1],
      [2 ** 53, 1],
      [1, 2 ** 53 - 1],
    ]) {
      const action = () => source.read(offset, length);
      await expectRefusal(action, { code: 'io-range', file: 'bytes', fix: 'inside' });
    }
  }
});

byteSource('error: reading after close, which may be called twice', async () => {
  for (const make of Object.values(SOURCE_KINDS)) {
    const source = await make('bytes', bytes);
    await source.close();
    await source.close();
    await expectRefusal(() => source.read(0, 1), { code: 'io-closed', file: 'bytes' });
  }
});

byteSource('error: a Blob that fails or comes short has changed', async () => {
  const blob = new Blob([Uint8Array.from(bytes)]);
  const failing = Object.assign(blob.slice(), {
    slice: () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadableError')) }),
  });
  const read = () => blobSource('page.bin', failing).read(4, 2);
  await expectRefusal(read, { code: 'io-changed', file: 'page.bin', where: 'byte 4' });
  const short = Object.assign(blob.slice(), { slice: () => new Blob(['x']) });
  const cut = () => blobSource('page.bin', short).read(0, 2);
  await expectRefusal(cut, { code: 'io-changed', message: '1 of 2' });
});

byteSource('law: an empty source has size 0 and gives nothing', async () => {
  const source = bufferSource('empty', new Uint8Array(0));
  assert.is(source.size, 0);
  assert.is((await source.read(0, 0)).length, 0);
  assert.instance(await source.read(0, 1).catch((error) => error), BaichuanError);
});

byteSource.run();
