import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteSource, bufferSource } from '../../../src/formats/byte-source.ts';
import { readZipDirectory } from '../../../src/formats/zip/directory.ts';
import { readDataOffsets, readEntry } from '../../../src/formats/zip/local-header.ts';
import { countingBytes, utf8 } from '../../support/model-files.ts';
import type { ExpectedRefusal } from '../../support/refusal.ts';
import { refuseFile } from '../../support/refuse-file.ts';
import { patched, type ZipStyle, zipFile } from '../../support/zip-file.ts';

const local = suite('zip/local-header');

const parts = [
  { name: 'a/data.pkl', data: utf8('pickle'), padding: 5 },
  { name: 'a/data/0', data: countingBytes(100), zip64: true },
];
const { bytes, places } = zipFile(parts);

/** Reads every entry, as a checkpoint does when all of them are storages. */
async function readAll(source: ByteSource, blockBytes?: number): Promise<Uint8Array[]> {
  const entries = [...(await readZipDirectory(source, { blockBytes })).values()];
  await readDataOffsets(source, entries);
  return Promise.all(entries.map((entry) => readEntry(source, entry, 1000)));
}

const refuse = (file: Uint8Array, expected: ExpectedRefusal) => refuseFile(readAll, file, expected);

local('law: the data of every style is found, behind name, padding and zip64 fields', async () => {
  const styles: ZipStyle[] = [{}, { descriptors: true }, { zip64: true }];
  for (const style of styles) {
    const found = await readAll(bufferSource('x', zipFile(parts, style).bytes));
    assert.equal(
      found,
      parts.map(({ data }) => data),
    );
  }
});

local('law: headers that lie together are read at once, others one by one', async () => {
  const many = Array.from({ length: 60 }, (_, index) => ({
    name: `a/data/${index}`,
    data: countingBytes(index < 50 ? 10 : 9000),
  }));
  const source = bufferSource('x', zipFile(many).bytes);
  const entries = [...(await readZipDirectory(source)).values()];
  let reads = 0;
  const counting = {
    ...source,
    read: (at: number, length: number) => {
      reads += 1;
      return source.read(at, length);
    },
  };
  await readDataOffsets(counting, entries);
  assert.ok(reads >= 10 && reads <= 14, `${reads} reads`);
});

local('error: no header where the directory says that one is', async () => {
  await refuse(patched(bytes, places.local[1], 4, 0), {
    code: 'zip-entry',
    where: 'entry "a/data/0"',
    message: `byte ${places.local[1]}`,
  });
});

local(
  'error: PT06 name, flags, method, checksum or sizes that differ, with both places',
  async () => {
    const [at] = places.local;
    const code = 'zip-mismatch';
    const both = [`byte ${places.central[0]}`, `byte ${at}`];
    const name = patched(bytes, at + 30, 1, 'b'.charCodeAt(0));
    await refuse(name, { code, where: 'entry "a/data.pkl"', message: ['"b/data.pkl"', ...both] });
    await refuse(patched(bytes, at + 26, 2, 9), { code, message: both });
    await refuse(patched(bytes, at + 6, 2, 8), { code, expected: 0x808, found: 8, message: both });
    await refuse(patched(bytes, at + 8, 2, 8), { code, message: ['method is 0', ...both] });
    await refuse(patched(bytes, at + 14, 4, 1), { code, message: ['checksum', ...both], found: 1 });
    await refuse(patched(bytes, at + 22, 4, 7), { code, expected: 6, found: 7, message: both });
    await refuse(patched(bytes, at + 18, 4, 5), { code, expected: 6, found: 5, message: both });
  },
);

local('error: PT06 sizes of 0 only where they follow the data', async () => {
  const plain = zipFile(parts, {});
  const [first, second] = plain.places.local;
  const code = 'zip-mismatch';
  await refuse(patched(plain.bytes, first + 22, 4, 0), { code, expected: 6, found: 0 });
  const extra = second + 30 + 'a/data/0'.length;
  await refuse(patched(plain.bytes, extra + 4, 8, 99), { code, expected: 100, found: 99 });
  await refuse(patched(plain.bytes, extra, 2, 2), { code, expected: 100, found: 0xffffffff });
});

local('error: PT07 a header or data that reach into what follows', async () => {
  const [at] = places.local;
  const code = 'zip-overlap';
  await refuse(patched(bytes, at + 28, 2, 65535), { code, message: 'header ends' });
  const gap = places.local[1] - (at + 30 + 10 + 9 + 6);
  const longer = patched(bytes, at + 28, 2, 9 + gap + 1);
  const wider = patched(longer, at + 30 + 10 + 2, 2, 5 + gap + 1);
  await refuse(wider, { code, message: 'data ends' });
});

local('error: PT08 compressed entries, and stored ones of two sizes', async () => {
  const [at] = places.central;
  await refuse(patched(bytes, at + 10, 2, 8), {
    code: 'zip-compressed',
    where: 'entry "a/data.pkl"',
    message: 'method 8',
    fix: 'zip -0',
  });
  const bomb = patched(bytes, at + 24, 4, 4e9);
  await refuse(bomb, { code: 'zip-mismatch', expected: 4e9, found: 6 });
  const compressedBomb = patched(bomb, at + 10, 2, 8);
  await refuse(compressedBomb, { code: 'zip-compressed', where: 'entry "a/data.pkl"' });
});

local('error: PT10 data that does not have its checksum', async () => {
  const data = places.local[0] + 30 + 10 + 9;
  await refuse(patched(bytes, data, 1, 0), {
    code: 'zip-crc',
    where: 'entry "a/data.pkl"',
    message: 'checksum',
    fix: 'sha256',
  });
});

local('error: an entry larger than what is read at once', async () => {
  const source = bufferSource('x', bytes);
  const entry = (await readZipDirectory(source)).get('a/data/0');
  assert.ok(entry);
  const read = async () => readEntry(bufferSource('x', bytes), entry, 99);
  const error = await read().catch((caught: unknown) => caught);
  assert.match(String(error), 'zip-limit');
  assert.match(String(error), 'at most 99');
});

local.run();
