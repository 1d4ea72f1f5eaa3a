/** The safetensors reader: 8 bytes of header length (little-endian), a JSON header of that length,
 *  then the data of the tensors, end to end.
 *
 *    { "NAME": { "dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24] }, "__metadata__": {…} }
 *
 *  Source: https://github.com/huggingface/safetensors, README "Format". Stricter than the reference
 *  0.8.0, which takes a name given twice, leading white space, unknown fields and any name. */
import { BaichuanError } from '../errors.ts';
import { type DuplicateKey, parseJson } from '../json.ts';
import { SNIFF_BYTES, sniffForeignFormat } from '../sniff.ts';
import { firstInvalidUtf8 } from '../utf-8.ts';
import { type ByteSource, expectRange } from './byte-source.ts';
import type { Checkpoint, StoredTensor } from './checkpoint.ts';
import { expectTensorCount } from './safetensors-count.ts';
import { parseSafetensorsHeader, type TensorEntry } from './safetensors-header.ts';
import { expectNoGaps } from './safetensors-layout.ts';

/** Bytes before the header: its length. */
const LENGTH_BYTES = 8;

/** The longest header of the format, in bytes, as the reference has it. */
const MAX_HEADER_BYTES = 100_000_000;

/** The longest header that is read unless told otherwise, in bytes; 13B needs 40 thousand. */
const DEFAULT_HEADER_BYTES = 16_000_000;

export interface SafetensorsOptions {
  /** The longest header that is read, in bytes; 16,000,000 unless told, 100,000,000 at most. */
  maxHeaderBytes?: number | undefined;
}

/** Opens a safetensors file: reads and checks its header, and nothing else.
 *  @param source the checkpoint owns it: it is closed with the checkpoint, or when opening fails
 *  @throws safetensors-…, json-…, io-… */
export async function openSafetensors(
  source: ByteSource,
  options: SafetensorsOptions = {},
): Promise<Checkpoint> {
  try {
    const headerBytes = await readHeader(source, options);
    expectHeaderUtf8(headerBytes, source.name);
    expectTensorCount(headerBytes, source.name);
    const json = parseJson(headerBytes, {
      file: source.name,
      maxBytes: MAX_HEADER_BYTES,
      byteOffset: LENGTH_BYTES,
      duplicateError: (duplicate) => duplicateTensor(duplicate, source.name),
    });
    const { entries, metadata } = parseSafetensorsHeader(json, headerBytes[0], source.name);
    const dataOffset = LENGTH_BYTES + headerBytes.length;
    expectNoGaps(entries, source.size - dataOffset, dataOffset, source.name);
    const tensors = new Map<string, StoredTensor>();
    for (const entry of entries) tensors.set(entry.name, storedTensor(entry, dataOffset, source));
    return { tensors, metadata, notices: [], close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readHeader(source: ByteSource, options: SafetensorsOptions): Promise<Uint8Array> {
  if (source.size < LENGTH_BYTES) throw shortError(source);
  const head = await source.read(0, Math.min(source.size, SNIFF_BYTES));
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  const limit = Math.min(options.maxHeaderBytes ?? DEFAULT_HEADER_BYTES, MAX_HEADER_BYTES);
  // A length of 559,903 has the bytes of gzip: the magics are asked only where the header is wrong.
  const fits = length <= source.size - LENGTH_BYTES && length <= limit;
  if (!fits || head[LENGTH_BYTES] !== 0x7b) expectNoForeignFormat(head, source);
  expectHeaderLength(length, limit, source);
  return source.read(LENGTH_BYTES, Number(length));
}

function expectNoForeignFormat(head: Uint8Array, { name, size }: ByteSource): void {
  const accepts = ['safetensors'];
  const expectedFormat = 'a safetensors file';
  const foreign = sniffForeignFormat(head, { file: name, expectedFormat, size, accepts });
  if (foreign !== undefined) throw foreign;
}

function shortError({ name, size }: ByteSource): BaichuanError {
  return new BaichuanError('safetensors-short', {
    file: name,
    where: 'byte 0',
    what: `the file has ${size} bytes, where a header needs at least ${LENGTH_BYTES}.`,
    fix: 'Download the file again and check its size.',
    expected: LENGTH_BYTES,
    found: size,
  });
}

function expectHeaderLength(length: bigint, limit: number, { name, size }: ByteSource): void {
  const place = { file: name, where: 'byte 0', found: String(length) };
  if (length === 0n) {
    throw new BaichuanError('safetensors-header-empty', {
      ...place,
      what: 'the header has a length of 0 bytes.',
      fix: 'Download the file again, or write it anew.',
      expected: 2,
    });
  }
  const left = size - LENGTH_BYTES;
  if (length <= MAX_HEADER_BYTES && length > left) {
    throw new BaichuanError('safetensors-header-length', {
      ...place,
      what: `the header should have ${length} bytes, but the file has only ${left} after byte 8.`,
      fix: 'Download the file again: it seems to have been cut short.',
      expected: left,
    });
  }
  if (length <= limit) return;
  const isHard = length > MAX_HEADER_BYTES;
  throw new BaichuanError('safetensors-header-cap', {
    ...place,
    what: `the header should have ${length} bytes, where at most ${limit} are read.`,
    fix: isHard
      ? 'Check that this is a safetensors file, and download it again.'
      : 'Raise maxHeaderBytes if you trust this file; no Baichuan checkpoint needs it.',
    expected: limit,
  });
}

function expectHeaderUtf8(header: Uint8Array, file: string): void {
  const mark = header[0] === 0xef && header[1] === 0xbb && header[2] === 0xbf;
  const invalid = mark ? 0 : firstInvalidUtf8(header);
  if (invalid < 0) return;
  throw new BaichuanError('safetensors-utf8', {
    file,
    where: `byte ${LENGTH_BYTES + invalid}`,
    what: mark ? 'the header begins with a byte order mark.' : 'the header is not UTF-8 there.',
    fix: 'Download the file again, or write it anew.',
    expected: mark ? '{' : 'UTF-8',
    found: `0x${header[invalid].toString(16)}`,
  });
}

/** The error for a tensor that the header lists twice; a key twice elsewhere is an error of
 *  JSON. */
function duplicateTensor(duplicate: DuplicateKey, file: string): BaichuanError | undefined {
  if (duplicate.depth !== 1 || duplicate.key === '__metadata__') return undefined;
  const [first, second] = duplicate.byteOffsets;
  return new BaichuanError('safetensors-duplicate', {
    file,
    where: duplicate.pointer,
    what: `this tensor is listed twice, at byte ${first} and at byte ${second}.`,
    fix: 'Write the file anew with one tensor of each name.',
    expected: 1,
    found: 2,
  });
}

function storedTensor(entry: TensorEntry, dataOffset: number, source: ByteSource): StoredTensor {
  const { name, dtype, shape, begin, end } = entry;
  const byteLength = end - begin;
  return {
    name,
    dtype,
    shape,
    byteLength,
    file: source.name,
    async read(byteOffset, length) {
      expectRange({ name: source.name, size: byteLength }, byteOffset, length);
      return source.read(dataOffset + begin + byteOffset, length);
    },
  };
}
