import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteSource, bufferSource } from '../../../src/formats/byte-source.ts';
import { readZipDirectory } from '../../../src/formats/zip/directory.ts';
import { readDataOffsets } from '../../../src/formats/zip/local-header.ts';
import { MarkedWriter } from '../../support/fuzz/marked.ts';
import { countingBytes, joinBytes, SOURCE_KINDS, utf8 } from '../../support/model-files.ts';
import type { ExpectedRefusal } from '../../support/refusal.ts';
import { refuseFile } from '../../support/refuse-file.ts';
import { patched, TORCH_STYLE, type ZipPart, zipFile } from '../../support/zip-file.ts';

const directory = suite('zip/directory');

const parts: ZipPart[] = [
  { name: 'a/data.pkl', data: utf8('pickle'), padding: 11 },
  { name: 'a/权重', data: countingBytes(300), zip64: true },
  { name: 'a/empty', data: new Uint8Array(0) },
  { name: 'a/', data: new Uint8Array(0) },
];
const { bytes, places } = zipFile(parts);

const open = (source: ByteSource, blockBytes?: number) => readZipDirectory(source, { blockBytes });

const refuse = (file: Uint8Array, expected: ExpectedRefusal) => refuseFile(open, file, expected);

/** Names, sizes, places and data of all entries. */
async function contentOf(source: ByteSource, blockBytes: number | undefined) {
  const entries = [...(await open(source, blockBytes)).values()];
  const offsets = await readDataOffsets(source, entries);
  const data = entries.map((entry) => source.read(offsets.get(entry) ?? -1, entry.byteLength));
  return {
    names: entries.map(({ name, byteLength }) => [name, byteLength]),
    places: entries.map(({ headerOffset }) => headerOffset),
    data: (await Promise.all(data)).map((bytesOfEntry) => [...bytesOfEntry]),
  };
}

directory(
  'law: entries in the order of the directory, in every style, source and block',
  async () => {
    for (const style of [{}, TORCH_STYLE, { zip64: true, comment: 'x' }]) {
      const file = zipFile(parts, style);
      const expected = {
        names: parts.map(({ name, data }) => [name, data.length]),
        places: file.places.local,
        data: parts.map(({ data }) => [...data]),
      };
      for (const [kind, make] of Object.entries(SOURCE_KINDS)) {
        const source = await make('x', file.bytes);
        for (const blockBytes of [1, 7, 4096, undefined]) {
          assert.equal(await contentOf(source, blockBytes), expected, `${kind} ${blockBytes}`);
        }
        await source.close();
      }
    }
  },
);

directory('law: the order of the data need not be that of the directory', async () => {
  const file = zipFile(parts);
  const [first, second] = file.places.central;
  const size = file.places.central[2] - first;
  const turned = joinBytes(
    file.bytes.slice(0, first),
    file.bytes.slice(second, first + size),
    file.bytes.slice(first, second),
    file.bytes.slice(first + size),
  );
  const entries = await open(bufferSource('x', turned));
  assert.equal([...entries.keys()], ['a/权重', 'a/data.pkl', 'a/empty', 'a/']);
  const source = bufferSource('x', turned);
  const offsets = await readDataOffsets(source, [...entries.values()]);
  assert.is(offsets.size, 4);
});

/** A source of 14 GB of which only the ends are there. */
function sparseSource(head: Uint8Array, size: number, tail: Uint8Array, reads: number[] = []) {
  return {
    name: 'sparse.bin',
    size,
    async read(byteOffset: number, byteLength: number) {
      reads.push(byteLength);
      const result = new Uint8Array(byteLength);
      for (let i = 0; i < byteLength; i++) {
        const at = byteOffset + i;
        const fromEnd = at - (size - tail.length);
        result[i] = fromEnd >= 0 ? tail[fromEnd] : (head[at] ?? 0);
      }
      return result;
    },
    async close() {},
  };
}

directory('law: a file of 14 GB with zip64 is read by its ends, in bounded reads', async () => {
  const name = utf8('m/data/0');
  const second = utf8('m/data/1');
  const bytesOfFirst = 13_999_996_928;
  const layout = (entry: Uint8Array) => {
    const fixed = new Uint8Array(30);
    const view = new DataView(fixed.buffer);
    view.setUint32(0, 0x04034b50, true);
    view.setUint16(6, 0x808, true);
    view.setUint16(26, entry.length, true);
    return joinBytes(fixed, entry);
  };
  const secondAt = 30 + name.length + bytesOfFirst + 24;
  const directoryAt = secondAt + 30 + second.length + 100 + 24;
  const central = new MarkedWriter();
  for (const [entry, size, at] of [
    [name, bytesOfFirst, 0],
    [second, 100, secondAt],
  ] as const) {
    central.number(4, 0x02014b50).number(4, 0).number(2, 0x808).number(2, 0).number(4, 0);
    central.number(4, 0).number(4, 0xffffffff).number(4, 0xffffffff).number(2, entry.length);
    central.number(2, 28).number(8, 0).number(2, 0).number(4, 0xffffffff).raw(entry);
    central.number(2, 1).number(2, 24).number(8, size).number(8, size).number(8, at);
  }
  const size = central.at;
  central.number(4, 0x06064b50).number(8, 44).number(4, 0).number(8, 0).number(8, 2).number(8, 2);
  central.number(8, size).number(8, directoryAt);
  central
    .number(4, 0x07064b50)
    .number(4, 0)
    .number(8, directoryAt + size)
    .number(4, 1);
  central.number(4, 0x06054b50).number(4, 0).number(2, 2).number(2, 2).number(4, size);
  central.number(4, 0xffffffff).number(2, 0);
  const end = joinBytes(layout(second), new Uint8Array(124).fill(7), central.done().bytes);
  const reads: number[] = [];
  const source = sparseSource(layout(name), secondAt + end.length, end, reads);
  assert.ok(source.size > 13.9e9);
  const entries = [...(await open(source)).values()];
  assert.equal(
    entries.map(({ byteLength, headerOffset }) => [byteLength, headerOffset]),
    [
      [bytesOfFirst, 0],
      [100, secondAt],
    ],
  );
  const offsets = await readDataOffsets(source, entries);
  assert.equal([...offsets.values()], [30 + name.length, secondAt + 30 + second.length]);
  assert.ok(Math.max(...reads) <= 65633, `reads of ${reads} bytes`);
});

directory('error: PT05 fewer or more records than the count says', async () => {
  const fewer = patched(patched(bytes, places.zip64 + 24, 8, 3), places.zip64 + 32, 8, 3);
  const shortCount = patched(patched(fewer, places.end + 8, 2, 3), places.end + 10, 2, 3);
  await refuse(shortCount, {
    code: 'zip-count',
    where: `byte ${places.central[3]}`,
    expected: 3,
    found: 3,
    message: '48 bytes after 3',
  });
  const more = patched(patched(bytes, places.zip64 + 24, 8, 5), places.zip64 + 32, 8, 5);
  const longCount = patched(patched(more, places.end + 8, 2, 5), places.end + 10, 2, 5);
  await refuse(longCount, { code: 'zip-count', where: `byte ${places.zip64}`, found: 4 });
});

directory('error: a record that is none, or is longer than the directory', async () => {
  const record = places.central[1];
  await refuse(patched(bytes, record, 4, 0), { code: 'zip-entry', where: `byte ${record}` });
  for (const field of [28, 30, 32]) {
    const last = places.central[3];
    await refuse(patched(bytes, last + field, 2, 65535), {
      code: 'zip-entry',
      where: `byte ${last}`,
    });
  }
  const extra = record + 46 + utf8('a/权重').length;
  await refuse(patched(bytes, extra + 2, 2, 25), { code: 'zip-entry', message: 'extra field' });
});

directory('error: PT04 zip64 fields that are missing, doubled or too large', async () => {
  const record = places.central[1];
  const extra = record + 46 + utf8('a/权重').length;
  const code = 'zip-zip64';
  await refuse(patched(bytes, extra, 2, 2), { code, message: 'missing', where: `byte ${record}` });
  await refuse(patched(bytes, places.central[0] + 24, 4, 0xffffffff), { code });
  for (const field of [4, 12, 20]) {
    for (const value of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      await refuse(patched(bytes, extra + field, 8, value), { code, message: 'larger than any' });
    }
  }
  const doubled = patched(
    patched(patched(bytes, extra + 2, 2, 8), extra + 12, 2, 1),
    extra + 14,
    2,
    12,
  );
  await refuse(doubled, { code, message: 'two zip64 fields' });
  await refuse(patched(bytes, places.central[2] + 34, 2, 1), { code: 'zip-disk', found: 1 });
});

directory('error: PT07 entries that overlap each other or the directory', async () => {
  const [, second, third] = places.central;
  const code = 'zip-overlap';
  const sameStart = patched(bytes, third + 42, 4, 0);
  await refuse(sameStart, { code, message: `begins at 0` });
  const extra = second + 46 + utf8('a/权重').length;
  const inside = patched(bytes, extra + 20, 8, places.local[0] + 5);
  await refuse(inside, { code, message: `byte ${second}` });
  const large = patched(patched(bytes, third + 20, 4, 5000), third + 24, 4, 5000);
  await refuse(large, { code, where: `byte ${third}` });
  const intoDirectory = patched(bytes, places.central[3] + 42, 4, places.central[0] - 3);
  await refuse(intoDirectory, { code, message: 'the directory' });
  await refuse(patched(bytes, places.central[3] + 42, 4, 2 ** 31), { code });
});

directory(
  'error: PT07 a bomb of overlapping entries is refused before any of them is read',
  async () => {
    const file = zipFile(
      Array.from({ length: 500 }, (_, index) => ({ name: `a/${index}`, data: countingBytes(2) })),
    );
    let bomb = file.bytes;
    for (const [index, at] of file.places.central.entries()) {
      const size = file.places.central[0] - file.places.local[index] - 30 - `a/${index}`.length;
      bomb = patched(patched(bomb, at + 20, 4, size), at + 24, 4, size);
    }
    await refuse(bomb, { code: 'zip-overlap', message: 'inside the entry' });
  },
);

directory('error: PT09 encryption, patches and flags without meaning', async () => {
  const code = 'zip-flags';
  const at = places.central[0] + 8;
  for (const flags of [0x809, 0x848, 0x2808]) {
    await refuse(patched(bytes, at, 2, flags), { code, message: 'encrypted', where: `byte ${at}` });
  }
  for (const flags of [0x828, 0x818, 0x888, 0x8808, 0xc808]) {
    await refuse(patched(bytes, at, 2, flags), { code, message: 'not known', found: flags });
  }
});

directory('error: PT11 names that are doubled, paths, not text or not printable', async () => {
  const code = 'zip-name';
  const named = (name: string) => zipFile([{ name, data: utf8('x') }]).bytes;
  for (const [name, fault] of [
    ['../a', 'leads out'],
    ['a/../b', 'leads out'],
    ['a/./b', 'leads out'],
    ['/a', 'absolute'],
    ['C:a', 'absolute'],
    ['c:\\a', 'backslash'],
    ['a\\b', 'backslash'],
    ['a\nb', 'not printable'],
    ['a\u202eb', 'not printable'],
    ['\ufeffa', 'not printable'],
    ['', 'is empty'],
    ['a'.repeat(1025), '1025 bytes'],
  ]) {
    await refuse(named(name), { code, message: fault, fix: 'Do not use' });
  }
  const twice = zipFile([parts[0], parts[0]]);
  await refuse(twice.bytes, {
    code,
    where: `byte ${twice.places.central[1]}`,
    message: `byte ${twice.places.central[0]}`,
  });
  const record = places.central[1];
  await refuse(patched(bytes, record + 48, 1, 0xff), { code, message: 'not UTF-8' });
  await refuse(patched(bytes, record + 8, 2, 8), { code, message: 'not ASCII' });
  assert.is((await open(bufferSource('x', named('a'.repeat(1024))))).size, 1);
});

directory.run();
