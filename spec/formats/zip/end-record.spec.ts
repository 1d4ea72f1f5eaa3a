import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { readZipEnd } from '../../../src/formats/zip/end-record.ts';
import { joinBytes, utf8 } from '../../support/model-files.ts';
import type { ExpectedRefusal } from '../../support/refusal.ts';
import { refuseFile } from '../../support/refuse-file.ts';
import { patched, zipFile } from '../../support/zip-file.ts';

const end = suite('zip/end-record');

const parts = [
  { name: 'a/data.pkl', data: utf8('pickle') },
  { name: 'a/data/0', data: utf8('weights') },
];
const plain = zipFile(parts, {});
const long = zipFile(parts);

const refuse = (bytes: Uint8Array, expected: ExpectedRefusal) =>
  refuseFile(readZipEnd, bytes, expected);

const read = (bytes: Uint8Array) => readZipEnd(bufferSource('x', bytes));

end(
  'law: count, place and size of the directory, short or zip64, with a comment or not',
  async () => {
    for (const style of [
      {},
      { zip64: true },
      { comment: 'PK' },
      { zip64: true, comment: 'made' },
    ]) {
      const { bytes, places } = zipFile(parts, style);
      const stop = places.zip64 >= 0 ? places.zip64 : places.end;
      assert.equal(await read(bytes), {
        entryCount: 2,
        directoryOffset: places.central[0],
        directoryBytes: stop - places.central[0],
      });
    }
  },
);

end('law: the longest comment is read, and no more of the file than the longest end', async () => {
  const { bytes } = zipFile(parts, { zip64: true, comment: 'x'.repeat(65535) });
  const source = bufferSource('x', joinBytes(bytes));
  const reads: number[] = [];
  const watched: typeof source = {
    ...source,
    read: (at, length) => {
      reads.push(length);
      return source.read(at, length);
    },
  };
  assert.is((await readZipEnd(watched)).entryCount, 2);
  assert.equal(reads, [Math.min(bytes.length, 22 + 65535 + 20 + 56)]);
});

end('error: PT02 an end record that is missing, or is not at the end', async () => {
  const code = 'zip-eocd';
  for (const { bytes } of [plain, long]) {
    await refuse(bytes.slice(0, -1), { code, message: 'end record' });
    await refuse(bytes.slice(0, 30), { code, message: 'no end record', fix: 'cut short' });
  }
  await refuse(joinBytes(plain.bytes, utf8('more')), {
    code,
    where: `byte ${plain.places.end}`,
    message: `end at byte ${plain.bytes.length}`,
    fix: 'added to',
  });
  await refuse(new Uint8Array(0), { code });
  await refuse(new Uint8Array(21), { code, where: 'byte 21' });
});

end('error: PT03 two end records, in each other or one after the other', async () => {
  const inner = plain.bytes.slice(plain.places.end);
  const comment = String.fromCharCode(...inner);
  const nested = zipFile(parts, { comment });
  await refuse(nested.bytes, {
    code: 'zip-ambiguous',
    message: [`byte ${nested.places.end}`, 'two end records'],
    fix: 'Do not use',
  });
  // One whose own comment would end elsewhere is no second end to us, but is to Python's zipfile.
  const broken = zipFile(parts, { comment: `${comment.slice(0, -2)}xx and more` });
  await refuse(broken.bytes, { code: 'zip-ambiguous', message: 'two end records' });
  await refuse(joinBytes(plain.bytes, inner), { code: 'zip-eocd', message: 'not where' });
});

end(
  'error: PT04 a zip64 record that is missing, elsewhere, of another length or too large',
  async () => {
    const { bytes, places } = long;
    const code = 'zip-zip64';
    const missing = patched(plain.bytes, plain.places.end + 16, 4, 0xffffffff);
    await refuse(missing, { code, message: 'none lies before it' });
    await refuse(patched(plain.bytes, plain.places.end + 12, 4, 0xffffffff), { code });
    const count = patched(
      patched(plain.bytes, plain.places.end + 8, 2, 65535),
      plain.places.end + 10,
      2,
      65535,
    );
    await refuse(count, { code });
    for (const place of [0, places.zip64 - 1, bytes.length, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      await refuse(patched(bytes, places.locator + 8, 8, place), {
        code,
        where: `byte ${places.locator}`,
        expected: places.zip64,
        found: Number(place),
      });
    }
    await refuse(patched(bytes, places.zip64, 4, 0), { code, message: 'no zip64 end record' });
    await refuse(patched(bytes, places.zip64 + 4, 8, 45), { code, message: '56 bytes' });
    for (const field of [32, 40, 48]) {
      for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
        await refuse(patched(bytes, places.zip64 + field, 8, value), {
          code,
          message: `${Number(value)}`,
        });
      }
    }
  },
);

end('error: a short number that differs from its zip64 number', async () => {
  const { bytes, places } = long;
  for (const [field, size] of [
    [12, 4],
    [16, 4],
  ]) {
    await refuse(patched(bytes, places.end + field, size, 7), {
      code: 'zip-mismatch',
      where: `byte ${places.end}`,
      found: 7,
    });
  }
  const masked = patched(bytes, places.end + 16, 4, 0xffffffff);
  assert.is((await read(masked)).directoryOffset, places.central[0]);
});

end('error: an archive on several disks', async () => {
  const code = 'zip-disk';
  for (const [place, size] of [
    [plain.places.end + 4, 2],
    [plain.places.end + 6, 2],
    [plain.places.end + 8, 2],
  ]) {
    await refuse(patched(plain.bytes, place, size, 1), { code, fix: 'Join its parts' });
  }
  // Found by the fuzzer: the numbers of a masked disk, where nothing says the real one.
  await refuse(patched(plain.bytes, plain.places.end + 4, 2, 65535), { code, found: 65535 });
  for (const place of [long.places.locator + 4, long.places.zip64 + 16, long.places.zip64 + 20]) {
    await refuse(patched(long.bytes, place, 4, 1), { code });
  }
  await refuse(patched(long.bytes, long.places.locator + 16, 4, 2), { code, found: 1 });
  await refuse(patched(long.bytes, long.places.zip64 + 24, 8, 1), { code, found: 1 });
});

end('error: PT05 more entries than the directory has room for, or than are read', async () => {
  const { bytes, places } = long;
  const counted = (count: number) =>
    patched(
      patched(
        patched(patched(bytes, places.zip64 + 24, 8, count), places.zip64 + 32, 8, count),
        places.end + 8,
        2,
        65535,
      ),
      places.end + 10,
      2,
      65535,
    );
  await refuse(counted(200_001), { code: 'zip-limit', expected: 200_000, found: 200_001 });
  const size = places.zip64 - places.central[0];
  const expected = Math.floor(size / 46);
  await refuse(counted(200_000), { code: 'zip-count', expected, found: 200_000 });
});

end('error: a directory that does not end where its end record begins', async () => {
  const { bytes, places } = plain;
  const code = 'zip-eocd';
  const expected = { code, expected: places.end } as const;
  await refuse(patched(bytes, places.end + 16, 4, places.central[0] - 1), expected);
  await refuse(patched(bytes, places.end + 12, 4, 2 ** 31), expected);
  // What stands before the archive moves every offset: an archive behind another file.
  await refuse(joinBytes(utf8('#!/bin/sh\n'), bytes), { code, expected: places.end + 10 });
});

end.run();
