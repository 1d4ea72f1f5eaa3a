/** Where the data of an entry begins: after a header of 30 bytes, a name, and extra fields whose
 *  length the directory does not know. PyTorch pads them so that data is aligned to 64 bytes.
 *
 *  The header must name the same entry as the directory, so that a program that reads the file from
 *  its front finds the same. Source: PKWARE APPNOTE 6.3.10, 4.3.7. */
import { BaichuanError, quote } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { type BlockReader, openBlocks } from './block-reader.ts';
import { crc32 } from './crc32.ts';
import { DESCRIPTOR_FLAG, type ZipEntry, zip64Numbers } from './directory.ts';
import { MASKED_32, NAME_DECODER, viewOf } from './fields.ts';

const HEADER_BYTES = 30;
const HEADER_SIGNATURE = 0x04034b50;

/** Headers that lie closer together than this are read at once. */
const BLOCK_BYTES = 4096;

/** Finds the data of stored entries.
 *  @returns the offset of the first byte of each, in the order of `entries`
 *  @throws zip-compressed, -entry, -mismatch, -overlap, io-… */
export async function readDataOffsets(
  source: ByteSource,
  entries: readonly ZipEntry[],
): Promise<Map<ZipEntry, number>> {
  const sorted = [...entries].sort((a, b) => a.headerOffset - b.headerOffset);
  const blocks = openBlocks(source, source.size, BLOCK_BYTES);
  const offsets = new Map<ZipEntry, number>();
  for (const entry of sorted) offsets.set(entry, await readDataOffset(blocks, entry, source.name));
  return offsets;
}

/** Reads the whole of a small stored entry and checks it against its checksum.
 *  @param maxBytes the largest entry that is read
 *  @throws zip-limit, -crc, and as `readDataOffsets` */
export async function readEntry(
  source: ByteSource,
  entry: ZipEntry,
  maxBytes: number,
): Promise<Uint8Array> {
  if (entry.byteLength > maxBytes) {
    throw entryError('zip-limit', source.name, entry, {
      what: `the entry has ${entry.byteLength} bytes, where at most ${maxBytes} are read.`,
      expected: maxBytes,
      found: entry.byteLength,
    });
  }
  const offset = (await readDataOffsets(source, [entry])).get(entry) ?? 0;
  const bytes = await source.read(offset, entry.byteLength);
  const found = crc32(bytes);
  if (found === entry.crc32) return bytes;
  throw entryError('zip-crc', source.name, entry, {
    what: 'the data does not have the checksum that the directory gives it.',
    expected: hex(entry.crc32),
    found: hex(found),
  });
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** Refuses entries that are not stored as they are.
 *  @throws zip-compressed, zip-mismatch */
export function expectStored(entry: ZipEntry, file: string): void {
  const { method, storedBytes, byteLength } = entry;
  if (method !== 0) {
    throw entryError('zip-compressed', file, entry, {
      what: `the entry is compressed (method ${method}), where only stored entries are read.`,
      fix: 'Write the file anew with torch.save, or pack it again without compression (zip -0).',
      expected: 0,
      found: method,
    });
  }
  if (storedBytes === byteLength) return;
  throw entryError('zip-mismatch', file, entry, {
    what: `the entry is stored as it is, but has ${storedBytes} bytes and ${byteLength} unpacked.`,
    expected: byteLength,
    found: storedBytes,
  });
}

async function readDataOffset(blocks: BlockReader, entry: ZipEntry, file: string): Promise<number> {
  expectStored(entry, file);
  const { headerOffset, limit, byteLength } = entry;
  const view = viewOf(await take(blocks, entry, HEADER_BYTES, file));
  if (view.getUint32(0, true) !== HEADER_SIGNATURE) {
    throw entryError('zip-entry', file, entry, {
      what: `at byte ${headerOffset}, where the entry should begin, there is no header of one.`,
    });
  }
  const [nameBytes, extraBytes] = [view.getUint16(26, true), view.getUint16(28, true)];
  const headerBytes = HEADER_BYTES + nameBytes + extraBytes;
  const bytes = await take(blocks, entry, headerBytes, file);
  expectSameName(bytes.subarray(HEADER_BYTES, HEADER_BYTES + nameBytes), entry, file);
  expectSameHeader(viewOf(bytes), viewOf(bytes.subarray(HEADER_BYTES + nameBytes)), entry, file);
  const begin = headerOffset + headerBytes;
  if (begin + byteLength <= limit) return begin;
  throw entryError('zip-overlap', file, entry, {
    what: `its data ends at byte ${begin + byteLength}, after what follows it begins.`,
    expected: limit,
    found: begin + byteLength,
  });
}

async function take(blocks: BlockReader, entry: ZipEntry, byteLength: number, file: string) {
  const { headerOffset, limit } = entry;
  if (headerOffset + byteLength <= limit) return blocks.take(headerOffset, byteLength);
  throw entryError('zip-overlap', file, entry, {
    what: `its header ends at byte ${headerOffset + byteLength}, after what follows it begins.`,
    expected: limit,
    found: headerOffset + byteLength,
  });
}

function expectSameName(bytes: Uint8Array, entry: ZipEntry, file: string): void {
  const found = NAME_DECODER.decode(bytes);
  if (found !== entry.name)
    throw mismatchError(file, entry, 'name', quote(entry.name), quote(found));
}

/** Compares what header and directory both say. Sizes and checksum may be 0 in a header whose entry
 *  has them after the data. */
function expectSameHeader(view: DataView, extra: DataView, entry: ZipEntry, file: string): void {
  const expect = (what: string, expected: number, found: number, mayBeZero = false) => {
    if (found === expected || (mayBeZero && found === 0)) return;
    throw mismatchError(file, entry, what, expected, found);
  };
  const hasDescriptor = (entry.flags & DESCRIPTOR_FLAG) !== 0;
  expect('flags', entry.flags, view.getUint16(6, true));
  expect('method', entry.method, view.getUint16(8, true));
  expect('checksum', entry.crc32, view.getUint32(14, true), hasDescriptor);
  const numbers = zip64Numbers(extra, file, entry.headerOffset);
  const sizes = [view.getUint32(22, true), view.getUint32(18, true)];
  let next = 0;
  const found = sizes.map((size) => (size === MASKED_32 ? (numbers[next++] ?? size) : size));
  expect('size', entry.byteLength, found[0], hasDescriptor);
  expect('stored size', entry.storedBytes, found[1], hasDescriptor);
}

function mismatchError(
  file: string,
  entry: ZipEntry,
  what: string,
  expected: string | number,
  found: string | number,
): BaichuanError {
  const { recordOffset, headerOffset } = entry;
  return entryError('zip-mismatch', file, entry, {
    what: `its ${what} is ${expected} in the directory (byte ${recordOffset}), but ${found} in its \
header (byte ${headerOffset}).`,
    expected,
    found,
  });
}

function entryError(
  code: BaichuanError['code'],
  file: string,
  entry: ZipEntry,
  fault: { what: string; fix?: string; expected?: string | number; found?: string | number },
): BaichuanError {
  return new BaichuanError(code, {
    file,
    where: `entry ${quote(entry.name)}`,
    fix: 'Download the file again and compare its sha256, or write it anew.',
    ...fault,
  });
}
