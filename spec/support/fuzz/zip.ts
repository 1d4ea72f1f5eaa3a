/** The zip directory as a target: valid archives of every style, mutated. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { readZipDirectory } from '../../../src/formats/zip/directory.ts';
import { readDataOffsets } from '../../../src/formats/zip/local-header.ts';
import { otherEntries } from '../independent-torch.ts';
import { type ZipPart, type ZipStyle, zipFile } from '../zip-file.ts';
import type { Marked } from './marked.ts';
import { edits, mutate } from './mutate.ts';
import type { FuzzTarget } from './target.ts';

const part: fc.Arbitrary<ZipPart> = fc.record({
  name: fc.constantFrom('a/data.pkl', 'a/data/0', 'a/data/1', 'a/version', 'é/b', 'x'),
  data: fc.uint8Array({ maxLength: 24 }),
  zip64: fc.boolean(),
  padding: fc.nat(9),
});

const style: fc.Arbitrary<ZipStyle> = fc.record({
  descriptors: fc.boolean(),
  zip64: fc.boolean(),
  comment: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('', '', 'made by hand') },
    // An end record of its own.
    { weight: 1, arbitrary: fc.constant(`PK\u0005\u0006${'\0'.repeat(18)}`) },
  ),
});

/** Valid archives. */
export const zipFiles: fc.Arbitrary<Marked> = fc
  .tuple(fc.uniqueArray(part, { maxLength: 5, selector: ({ name }) => name }), style)
  .map(([parts, each]) => zipFile(parts, each));

/** Archives with one to three edits. */
export const mutatedZipFiles: fc.Arbitrary<Uint8Array> = fc
  .tuple(zipFiles, edits, zipFiles)
  .map(([file, changes, other]) => mutate(file, changes, other));

interface Opened {
  name: string;
  byteLength: number;
  crc32: number;
  headerOffset: number;
  offset: number | undefined;
}

/** The directory and the places of all entries. What is accepted, zip.js must read alike. */
export const zipTarget: FuzzTarget = {
  name: 'zip',
  cases: mutatedZipFiles,
  async open(bytes, blockBytes): Promise<Opened[]> {
    const source = bufferSource('x.zip', bytes);
    const entries = [...(await readZipDirectory(source, { blockBytes })).values()];
    const offsets = await readDataOffsets(source, entries);
    return entries.map((entry) => {
      const { name, byteLength, crc32, headerOffset } = entry;
      return { name, byteLength, crc32, headerOffset, offset: offsets.get(entry) };
    });
  },
  async expectSame(bytes, opened) {
    const entries = await otherEntries(bytes);
    const found = (opened as Opened[]).map(({ offset: _, ...entry }) => entry);
    const expected = entries.map(({ name, byteLength, crc32, headerOffset }) => ({
      ...{ name, byteLength, crc32, headerOffset },
    }));
    assert.equal(found, expected, 'I7: zip.js reads another archive');
  },
};
