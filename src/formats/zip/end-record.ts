/** The end of a zip file, where its directory is found:
 *
 *    … directory │ zip64 end record (56) │ zip64 locator (20) │ end record (22 and a comment)
 *
 *  The two zip64 parts are there where a number does not fit 16 or 32 bits; PyTorch always writes
 *  them. Each must end exactly where the next begins, so that every program that searches in its
 *  own way finds the same directory. Source: PKWARE APPNOTE 6.3.10, 4.3.14 to 4.3.16. */
import type { BaichuanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { MASKED_16, MASKED_32, uint64, viewOf, zipError } from './fields.ts';

/** Where the directory is, and how many entries it lists. */
export interface ZipEnd {
  readonly entryCount: number;
  readonly directoryOffset: number;
  readonly directoryBytes: number;
}

const END_BYTES = 22;
const END_SIGNATURE = 0x06054b50;
const LOCATOR_BYTES = 20;
const LOCATOR_SIGNATURE = 0x07064b50;
const END64_BYTES = 56;
const END64_SIGNATURE = 0x06064b50;
const MAX_COMMENT_BYTES = 0xffff;
const MAX_ENTRIES = 200_000;

/** The smallest record of an entry in the directory. */
const MIN_ENTRY_BYTES = 46;

/** The last bytes of a file, and where they begin in it. */
interface Tail {
  readonly file: string;
  readonly view: DataView;
  readonly begin: number;
}

/** Finds the directory of a zip file.
 *  @throws zip-eocd, -ambiguous, -disk, -zip64, -mismatch, -count, -limit, io-… */
export async function readZipEnd(source: ByteSource): Promise<ZipEnd> {
  const longest = END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES + END64_BYTES;
  const length = Math.min(source.size, longest);
  const begin = source.size - length;
  const view = viewOf(await source.read(begin, length));
  const tail = { file: source.name, view, begin };
  const at = findEndRecord(tail);
  expectOneDisk(tail, at);
  const short = {
    entryCount: view.getUint16(at + 10, true),
    directoryBytes: view.getUint32(at + 12, true),
    directoryOffset: view.getUint32(at + 16, true),
  };
  const has64 = at >= LOCATOR_BYTES && uint32(view, at - LOCATOR_BYTES) === LOCATOR_SIGNATURE;
  const end = has64 ? readZip64End(tail, at, short) : short;
  const directoryEnd = begin + at - (has64 ? LOCATOR_BYTES + END64_BYTES : 0);
  if (!has64) expectNothingMasked(tail, at, short);
  expectCount(tail, at, end);
  expectDirectoryRange(tail, at, end, directoryEnd);
  return end;
}

function uint32(view: DataView, byteOffset: number): number {
  return view.getUint32(byteOffset, true);
}

/** The last record that ends with the file. Another signature after it, or another record that also
 *  ends with the file, would be a second directory to another program.
 *  @returns its offset in the tail */
function findEndRecord(tail: Tail): number {
  const { view } = tail;
  const found: number[] = [];
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) {
    if (view.getUint8(at) !== 0x50 || uint32(view, at) !== END_SIGNATURE) continue;
    found.push(at);
  }
  const complete = found.filter((at) => commentEnd(view, at) === view.byteLength);
  if (complete.length === 0) throw noEndError(tail, found[0]);
  if (complete.length === 1 && complete[0] === found[0]) return found[0];
  const [last, other] = complete.length > 1 ? complete : [found[0], complete[0]];
  throw zipError('zip-ambiguous', {
    file: tail.file,
    byteOffset: tail.begin + last,
    what: `the file has two end records; another is at byte ${tail.begin + other}.`,
    fix: 'Do not use this file: programs differ in which of its two directories they read.',
    expected: 1,
    found: found.length,
  });
}

function commentEnd(view: DataView, at: number): number {
  return at + END_BYTES + view.getUint16(at + 20, true);
}

function noEndError({ file, view, begin }: Tail, at: number | undefined): BaichuanError {
  const byteOffset = begin + (at ?? view.byteLength);
  const what =
    at === undefined
      ? 'the zip file has no end record, which lists where its parts are.'
      : `the end record should end at byte ${begin + commentEnd(view, at)}, not with the file.`;
  const fix = 'Download the file again: it seems to have been cut short, or added to.';
  return zipError('zip-eocd', { file, byteOffset, what, fix });
}

function expectOneDisk({ file, view, begin }: Tail, at: number): void {
  const disk = Math.max(view.getUint16(at + 4, true), view.getUint16(at + 6, true));
  const onDisk = view.getUint16(at + 8, true);
  if (disk === 0 && onDisk === view.getUint16(at + 10, true)) return;
  throw diskError(file, begin + at, disk === 0 ? onDisk : disk);
}

function diskError(file: string, byteOffset: number, found: number): BaichuanError {
  return zipError('zip-disk', {
    file,
    byteOffset,
    what: 'the archive is split over several disks.',
    fix: 'Join its parts into one zip file of stored entries.',
    expected: 0,
    found,
  });
}

/** Reads the zip64 end record, which must lie right before its locator. */
function readZip64End(tail: Tail, at: number, short: ZipEnd): ZipEnd {
  const { file, view, begin } = tail;
  const locator = at - LOCATOR_BYTES;
  const record = locator - END64_BYTES;
  const place = uint64(view, locator + 8);
  if (record < 0 || place !== begin + record || uint32(view, record) !== END64_SIGNATURE) {
    throw zipError('zip-zip64', {
      file,
      byteOffset: begin + locator,
      what: `the zip64 locator points to byte ${place}, where no zip64 end record lies before it.`,
      expected: begin + record,
      found: place,
    });
  }
  if (uint64(view, record + 4) !== END64_BYTES - 12) {
    const what = 'the zip64 end record has another length than 56 bytes.';
    throw zipError('zip-zip64', { file, byteOffset: begin + record, what });
  }
  // The total of disks in the locator is 1 by the rules; some writers leave 0.
  const disks = [uint32(view, locator + 4), uint32(view, record + 16), uint32(view, record + 20)];
  const disk = Math.max(...disks, uint32(view, locator + 16) - 1);
  if (disk > 0) throw diskError(file, begin + record, disk);
  const end = {
    entryCount: uint64(view, record + 32),
    directoryBytes: uint64(view, record + 40),
    directoryOffset: uint64(view, record + 48),
  };
  expectSafe(tail, record, Object.values(end));
  if (uint64(view, record + 24) !== end.entryCount) {
    throw diskError(file, begin + record, uint64(view, record + 24));
  }
  expectSameNumbers(tail, at, short, end);
  return end;
}

function expectSafe({ file, begin }: Tail, record: number, values: number[]): void {
  const unsafe = values.find((value) => !Number.isSafeInteger(value));
  if (unsafe === undefined) return;
  throw zipError('zip-zip64', {
    file,
    byteOffset: begin + record,
    what: `the zip64 end record holds the number ${unsafe}, which no file has.`,
    expected: Number.MAX_SAFE_INTEGER,
    found: unsafe,
  });
}

/** A short number that is not masked must be the long one: some programs read the one, some the
 *  other. */
function expectSameNumbers(tail: Tail, at: number, short: ZipEnd, long: ZipEnd): void {
  const pairs = [
    ['entries', short.entryCount, long.entryCount, MASKED_16],
    ['bytes of the directory', short.directoryBytes, long.directoryBytes, MASKED_32],
    ['the offset of the directory', short.directoryOffset, long.directoryOffset, MASKED_32],
  ] as const;
  for (const [name, found, expected, masked] of pairs) {
    if (found === masked || found === expected) continue;
    throw zipError('zip-mismatch', {
      file: tail.file,
      byteOffset: tail.begin + at,
      what: `the end record has ${found} for ${name}, but its zip64 record has ${expected}.`,
      expected,
      found,
    });
  }
}

/** Without a zip64 record nothing may be masked: the real numbers would be missing. */
function expectNothingMasked({ file, begin }: Tail, at: number, short: ZipEnd): void {
  const { entryCount, directoryBytes, directoryOffset } = short;
  const isMasked =
    entryCount === MASKED_16 || [directoryBytes, directoryOffset].includes(MASKED_32);
  if (!isMasked) return;
  const what = 'the end record refers to a zip64 record, but none lies before it.';
  throw zipError('zip-zip64', { file, byteOffset: begin + at, what });
}

function expectCount({ file, begin }: Tail, at: number, end: ZipEnd): void {
  const { entryCount, directoryBytes } = end;
  const place = { file, byteOffset: begin + at, found: entryCount };
  if (entryCount > MAX_ENTRIES) {
    throw zipError('zip-limit', {
      ...place,
      what: `the archive lists ${entryCount} entries, where at most ${MAX_ENTRIES} are read.`,
      expected: MAX_ENTRIES,
    });
  }
  const most = Math.floor(directoryBytes / MIN_ENTRY_BYTES);
  if (entryCount <= most) return;
  const what = `the directory has ${directoryBytes} bytes, too few for ${entryCount} entries.`;
  throw zipError('zip-count', { ...place, what, expected: most });
}

function expectDirectoryRange(tail: Tail, at: number, end: ZipEnd, expected: number): void {
  const found = end.directoryOffset + end.directoryBytes;
  if (found === expected) return;
  const range = `${end.directoryBytes} bytes from byte ${end.directoryOffset}`;
  throw zipError('zip-eocd', {
    file: tail.file,
    byteOffset: tail.begin + at,
    what: `the directory should have ${range}, which is not where the end record lies.`,
    fix: 'Download the file again: it seems to have been cut short, or added to.',
    expected,
    found,
  });
}
