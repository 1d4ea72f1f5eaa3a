/** The directory of a zip file: its entries, where each begins, and where it must have ended.
 *
 *  What the directory says holds. The header before the data of an entry (`local-header.ts`) only
 *  says where the data begins, and must agree. The ranges of entries must not overlap: a small
 *  file could otherwise hold any number of large entries. Source: PKWARE APPNOTE 6.3.10, 4.3.12;
 *  D. Fifield, "A better zip bomb" (2019). */
import type { ByteSource } from '../byte-source.ts';
import { type BlockReader, openBlocks } from './block-reader.ts';
import { readZipEnd, type ZipEnd } from './end-record.ts';
import { entryName, MASKED_32, UTF8_FLAG, uint64, viewOf, zipError } from './fields.ts';

/** An entry as the directory lists it. */
export interface ZipEntry {
  readonly name: string;
  /** Size of its data: of what is stored, and of what that is when unpacked. */
  readonly storedBytes: number;
  readonly byteLength: number;
  readonly crc32: number;
  /** 0 where the data is stored as it is. */
  readonly method: number;
  readonly flags: number;
  /** Where its record in the directory and its local header begin. */
  readonly recordOffset: number;
  readonly headerOffset: number;
  /** Where the next entry begins, or the directory: its data ends before. */
  readonly limit: number;
}

export interface ZipOptions {
  /** Bytes of the directory read at once. */
  readonly blockBytes?: number | undefined;
}

const RECORD_BYTES = 46;
const RECORD_SIGNATURE = 0x02014b50;
const LOCAL_HEADER_BYTES = 30;
const ZIP64_EXTRA = 1;

/** Flag bit 3: sizes and checksum follow the data, so the local header may have none. */
export const DESCRIPTOR_FLAG = 8;

/** A record of the directory before its place among the others is known. */
type Record = Omit<ZipEntry, 'limit'> & { nameBytes: number; limit: number };

/** Reads the directory of a zip file, and nothing of its entries.
 *  @returns the entries by name, in the order of the directory
 *  @throws zip-eocd, -ambiguous, -disk, -zip64, -mismatch, -count, -limit, -entry, -flags, -name,
 *  -overlap, io-… */
export async function readZipDirectory(
  source: ByteSource,
  options: ZipOptions = {},
): Promise<ReadonlyMap<string, ZipEntry>> {
  const end = await readZipEnd(source);
  const directoryEnd = end.directoryOffset + end.directoryBytes;
  const blocks = openBlocks(source, directoryEnd, options.blockBytes);
  const records = new Map<string, Record>();
  let at = end.directoryOffset;
  while (records.size < end.entryCount) {
    if (at + RECORD_BYTES > directoryEnd) throw countError(source.name, at, end, records.size);
    const { record, next } = await readRecord(blocks, at, directoryEnd, source.name);
    const other = records.get(record.name);
    if (other !== undefined) throw duplicateError(source.name, other, record);
    records.set(record.name, record);
    at = next;
  }
  if (at !== directoryEnd) throw countError(source.name, at, end, records.size);
  placeEntries(records, end.directoryOffset, source.name);
  return records;
}

function countError(file: string, byteOffset: number, end: ZipEnd, found: number) {
  const { entryCount, directoryBytes, directoryOffset } = end;
  const left = directoryOffset + directoryBytes - byteOffset;
  const what = `the directory lists ${entryCount} entries, but has ${left} bytes after ${found}.`;
  return zipError('zip-count', { file, byteOffset, what, expected: entryCount, found });
}

function duplicateError(file: string, first: Record, second: Record) {
  return zipError('zip-name', {
    file,
    byteOffset: second.recordOffset,
    what: `this entry has the same name as the one listed at byte ${first.recordOffset}.`,
    fix: 'Do not use this file: programs differ in which of the two they read.',
  });
}

async function readRecord(blocks: BlockReader, at: number, end: number, file: string) {
  const fixed = viewOf(await blocks.take(at, RECORD_BYTES));
  if (fixed.getUint32(0, true) !== RECORD_SIGNATURE) {
    throw zipError('zip-entry', { file, byteOffset: at, what: 'no record of an entry is here.' });
  }
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((o) => fixed.getUint16(o, true));
  const length = RECORD_BYTES + nameBytes + extraBytes + commentBytes;
  if (at + length > end) {
    const what = `the record of an entry has ${length} bytes, more than the directory has left.`;
    throw zipError('zip-entry', { file, byteOffset: at, what, expected: end - at, found: length });
  }
  const bytes = await blocks.take(at, length);
  const view = viewOf(bytes);
  const flags = view.getUint16(8, true);
  expectFlags(flags, file, at);
  const extra = viewOf(bytes.subarray(RECORD_BYTES + nameBytes, length - commentBytes));
  const record: Record = {
    name: entryName(bytes.subarray(RECORD_BYTES, RECORD_BYTES + nameBytes), flags, file, at),
    nameBytes,
    limit: 0,
    crc32: view.getUint32(16, true),
    method: view.getUint16(10, true),
    flags,
    recordOffset: at,
    ...readSizes(view, extra, file, at),
  };
  return { record, next: at + length };
}

/** Refuses encryption (bits 0, 6, 13), patches (5) and bits without meaning; the others say how the
 *  name is written (11), where the sizes are (3) and how well the data is packed (1, 2). */
function expectFlags(flags: number, file: string, byteOffset: number): void {
  const known = DESCRIPTOR_FLAG + UTF8_FLAG;
  if (flags % 2 === 0 && (flags & ~(known + 6)) === 0) return;
  const isEncrypted = (flags & 0x2041) !== 0;
  throw zipError('zip-flags', {
    file,
    byteOffset: byteOffset + 8,
    what: isEncrypted
      ? `the entry is encrypted (flags 0x${flags.toString(16)}).`
      : `the entry has the flags 0x${flags.toString(16)}, some of which are not known.`,
    fix: 'Write the file anew with torch.save, which stores entries as they are.',
    expected: known,
    found: flags,
  });
}

/** Sizes and offset of a record: those that do not fit 32 bits are in its zip64 field, in this
 *  order. */
function readSizes(view: DataView, extra: DataView, file: string, at: number) {
  const short = [24, 20, 42].map((offset) => view.getUint32(offset, true));
  const masked = short.filter((value) => value === MASKED_32).length;
  const long = masked > 0 ? zip64Numbers(extra, file, at) : [];
  if (long.length < masked) throw zip64Error(file, at, 'a zip64 field of a record is missing.');
  let next = 0;
  const values = short.map((value) => (value === MASKED_32 ? long[next++] : value));
  const unsafe = values.find((value) => !Number.isSafeInteger(value));
  if (unsafe !== undefined) {
    throw zip64Error(file, at, `the number ${unsafe} of a record is larger than any file.`);
  }
  const disk = view.getUint16(34, true);
  if (disk !== 0) {
    const what = `the entry begins on disk ${disk} of a split archive.`;
    throw zipError('zip-disk', { file, byteOffset: at + 34, what, expected: 0, found: disk });
  }
  const [byteLength, storedBytes, headerOffset] = values;
  return { byteLength, storedBytes, headerOffset };
}

function zip64Error(file: string, byteOffset: number, what: string) {
  return zipError('zip-zip64', { file, byteOffset, what });
}

/** The numbers of the zip64 field among the extra fields of an entry, none where it has none.
 *  @throws zip-entry when the fields do not fit their length, zip-zip64 when there are two */
export function zip64Numbers(extra: DataView, file: string, byteOffset: number): number[] {
  let found: number[] | undefined;
  for (let at = 0; at < extra.byteLength; ) {
    const length = at + 4 <= extra.byteLength ? extra.getUint16(at + 2, true) : extra.byteLength;
    const end = at + 4 + length;
    if (end > extra.byteLength) {
      const what = 'an extra field of an entry is longer than all of them together.';
      throw zipError('zip-entry', { file, byteOffset, what });
    }
    if (extra.getUint16(at, true) === ZIP64_EXTRA) {
      if (found !== undefined) throw zip64Error(file, byteOffset, 'an entry has two zip64 fields.');
      const count = Math.floor(length / 8);
      const start = at + 4;
      found = Array.from({ length: count }, (_, index) => uint64(extra, start + 8 * index));
    }
    at = end;
  }
  return found ?? [];
}

/** Gives each entry the place where the next one begins, and refuses overlaps. */
function placeEntries(records: ReadonlyMap<string, Record>, directoryOffset: number, file: string) {
  const sorted = [...records.values()].sort((a, b) => a.headerOffset - b.headerOffset);
  sorted.forEach((record, index) => {
    const next = sorted[index + 1];
    const limit = next?.headerOffset ?? directoryOffset;
    const { headerOffset, nameBytes, storedBytes } = record;
    const end = headerOffset + LOCAL_HEADER_BYTES + nameBytes + storedBytes;
    if (end > limit) throw overlapError(file, record, { end, limit, next });
    record.limit = limit;
  });
}

function overlapError(
  file: string,
  record: Record,
  { end, limit, next }: { end: number; limit: number; next: Record | undefined },
) {
  const other =
    next === undefined ? 'the directory' : `the entry listed at byte ${next.recordOffset}`;
  return zipError('zip-overlap', {
    file,
    byteOffset: record.recordOffset,
    what: `this entry ends at byte ${end} or after, inside ${other}, which begins at ${limit}.`,
    expected: limit,
    found: end,
  });
}
