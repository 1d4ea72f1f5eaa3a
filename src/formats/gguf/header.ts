/** The header of a GGUF file of version 2 or 3, little-endian: metadata and what it says about each
 *  tensor. The layout is drawn in `writer.ts`; version 2 differs only in its number.
 *  Source: ggml docs/gguf.md; ggml/src/gguf.cpp for what a reader must refuse. */
import { BaichuanError, type ErrorCode, quote } from '../../errors.ts';
import { SNIFF_BYTES, sniffForeignFormat } from '../../sniff.ts';
import type { ByteSource } from '../byte-source.ts';
import { HeaderCursor } from './cursor.ts';
import { layOut, type PlacedTensor } from './layout.ts';
import { MAX_ALIGNMENT, MAX_PAIRS, MAX_TENSORS } from './limits.ts';
import { readKey, readValue } from './read-value.ts';
import { readTensorInfo, type TensorInfo } from './tensor-info.ts';
import type { GgufMetadata, GgufValue } from './values.ts';

/** A header, checked against the size of its file. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: readonly PlacedTensor[];
  /** What was accepted though it was odd, one sentence each. */
  readonly notices: readonly string[];
}

/** Bytes that a pair and that a tensor take at least. */
const PAIR_BYTES = 8 + 1 + 4 + 1;
const INFO_BYTES = 8 + 1 + 4 + 8 + 4 + 8;

const DEFAULT_ALIGNMENT = 32;

const AGAIN = 'Download the file again; if that does not help, convert the model anew.';

/** Magic words of the formats before GGUF, as their bytes read. */
const OLD_MAGICS: ReadonlyMap<string, string> = new Map([
  ['lmgg', 'GGML'],
  ['fmgg', 'GGMF'],
  ['tjgg', 'GGJT'],
  ['algg', 'GGLA'],
]);

/** Reads and checks a header, and nothing of the data.
 *  @throws gguf-…, io-lfs, io-html, io-magic, io-… */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  await expectMagic(source);
  const cursor = new HeaderCursor(source);
  await cursor.need(8, 'magic and version');
  cursor.bytes(4);
  const version = takeVersion(cursor);
  await cursor.need(16, 'numbers of tensors and of pairs');
  const tensorCount = takeCount(cursor, 'tensors', MAX_TENSORS, INFO_BYTES);
  const pairCount = takeCount(cursor, 'key-value pairs', MAX_PAIRS, PAIR_BYTES);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairCount; i++) {
    const { byteOffset } = cursor;
    const key = await readKey(cursor);
    if (metadata.has(key)) throw duplicateError(cursor, byteOffset, 'key', key);
    metadata.set(key, await readValue(cursor, key));
  }
  const infos = new Map<string, TensorInfo>();
  for (let i = 0; i < tensorCount; i++) {
    const info = await readTensorInfo(cursor, i);
    if (infos.has(info.name)) throw duplicateError(cursor, info.infoOffset, 'tensor', info.name);
    infos.set(info.name, info);
  }
  const alignment = takeAlignment(metadata, source.name);
  const { tensors, notices } = layOut([...infos.values()], cursor.byteOffset, alignment, source);
  return { version, metadata, tensors, notices };
}

async function expectMagic(source: ByteSource): Promise<void> {
  const { name: file, size } = source;
  const head = await source.read(0, Math.min(size, SNIFF_BYTES));
  const magic = String.fromCharCode(...head.subarray(0, 4));
  if (magic === 'GGUF') return;
  if (magic === 'FUGG') throw endianError(file, 'the magic word');
  const old = OLD_MAGICS.get(magic);
  const expectedFormat = 'a GGUF file';
  const foreign = sniffForeignFormat(head, { file, expectedFormat, size });
  if (foreign !== undefined && old === undefined) throw foreign;
  const bytes = hexadecimal(head);
  const found =
    old === undefined ? `begins with the bytes ${bytes}` : `is ${old}, which came before`;
  throw new BaichuanError('gguf-magic', {
    file,
    where: 'byte 0',
    what: `this is no GGUF file: it ${found}.`,
    fix: 'Convert the published checkpoint to GGUF with a current converter.',
    expected: 'GGUF',
    found: old ?? bytes,
  });
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function endianError(file: string, what: string): BaichuanError {
  return new BaichuanError('gguf-big-endian', {
    file,
    where: 'byte 0',
    what: `${what} says that the numbers of this file are big-endian, which is not read.`,
    fix: 'Convert it with gguf_convert_endian.py of llama.cpp, or take a little-endian file.',
    expected: 'little-endian',
    found: 'big-endian',
  });
}

function takeVersion(cursor: HeaderCursor): number {
  const version = cursor.uint32();
  if (version === 2 || version === 3) return version;
  // A big-endian file has the same magic; its small number stands in the last byte.
  const isSwapped = [1, 2, 3].includes(version / 2 ** 24);
  if (isSwapped) throw endianError(cursor.file, 'the version');
  throw new BaichuanError('gguf-version', {
    file: cursor.file,
    where: 'byte 4',
    what: `this is version ${version} of GGUF, where 2 and 3 are read.`,
    fix: 'Convert the model anew with a current converter.',
    expected: '2 or 3',
    found: version,
  });
}

function takeCount(cursor: HeaderCursor, what: string, limit: number, each: number): number {
  const { byteOffset } = cursor;
  const count = cursor.uint64();
  if (count <= limit && Number(count) * each <= cursor.bytesLeft) return Number(count);
  const fits = `${cursor.bytesLeft} bytes left cannot hold ${count} ${what}`;
  const isCut = count <= limit;
  throw new BaichuanError(isCut ? 'gguf-truncated' : 'gguf-count', {
    file: cursor.file,
    where: `byte ${byteOffset}, number of ${what}`,
    what: `${fits}; each takes ${each} or more, and at most ${limit} are read.`,
    fix: isCut ? 'Download the file again: it seems to have been cut short.' : AGAIN,
    expected: limit,
    found: String(count),
  });
}

function duplicateError(
  { file }: HeaderCursor,
  byteOffset: number,
  kind: 'key' | 'tensor',
  name: string,
): BaichuanError {
  return new BaichuanError('gguf-duplicate', {
    file,
    where: `byte ${byteOffset}, ${kind} ${quote(name)}`,
    what: `this ${kind} is in the file twice.`,
    fix: AGAIN,
    expected: 1,
    found: 2,
  });
}

function takeAlignment(metadata: GgufMetadata, file: string): number {
  const entry = metadata.get('general.alignment');
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  const { type } = entry;
  const value = type === 'uint32' ? Number(entry.value) : Number.NaN;
  const powers = Array.from({ length: 17 }, (_, power) => 2 ** 16 / (1 << power));
  if (powers.includes(value)) return value;
  const code: ErrorCode = 'gguf-alignment';
  const found = type === 'uint32' ? String(value) : `a value of type ${type}`;
  throw new BaichuanError(code, {
    file,
    where: 'general.alignment',
    what: `the alignment is ${found}, where a power of two from 1 to ${MAX_ALIGNMENT} belongs.`,
    fix: AGAIN,
    expected: `uint32, 1 … ${MAX_ALIGNMENT}`,
    found,
  });
}
