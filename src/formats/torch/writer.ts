/** Writes a state dict as `torch.save` does since 1.6: a zip file of stored entries
 *
 *      NAME/data.pkl     the pickle of an OrderedDict of tensors, protocol 2
 *      NAME/data/0, …    the bytes of each tensor's storage, at multiples of 64 bytes
 *      NAME/version      3
 *
 *  Tensors are contiguous and own their storage. Files stay under 4 GiB (no zip64): larger models
 *  are written as safetensors.
 *  Source: PyTorch, torch/serialization.py, `_save`; PKWARE, APPNOTE.TXT 6.3.10. */

import { BaichuanError } from '../../errors.ts';
import type { ByteSink } from '../byte-source.ts';
import { storedByteLength, type TensorToWrite } from '../safetensors-writer.ts';
import { crc32 } from '../zip/crc32.ts';
import { stateDictPickle } from './pickle-writer.ts';

/** The folder in the archive, which readers strip. */
const ROOT = 'archive';
const ALIGNMENT = 64;
const LIMIT = 2 ** 32 - 1;

/** Signatures of the parts of a zip file, and sizes of their fixed fields. */
const LOCAL_HEADER = { signature: 0x04034b50, bytes: 30 };
const DIRECTORY_ENTRY = { signature: 0x02014b50, bytes: 46 };
const END_RECORD = { signature: 0x06054b50, bytes: 22 };

/** The extra field that PyTorch pads with. */
const PADDING_ID = 0x4246;

interface Entry {
  readonly name: Uint8Array;
  readonly offset: number;
  readonly size: number;
  readonly checksum: number;
}

/** Writes a file that `torch.load` reads.
 *  @throws shape-mismatch when data and shape of a tensor differ, or the file would be too large */
export async function writeTorch(sink: ByteSink, tensors: readonly TensorToWrite[]): Promise<void> {
  const entries: Entry[] = [];
  let offset = 0;
  const write = async (bytes: Uint8Array) => {
    offset += bytes.length;
    if (offset > LIMIT) throw tooLarge();
    await sink.write(bytes);
  };
  const add = async (leaf: string, bytes: Uint8Array) => {
    const name = new TextEncoder().encode(`${ROOT}/${leaf}`);
    const entry = { name, offset, size: bytes.length, checksum: crc32(bytes) };
    await write(localHeader(entry));
    await write(bytes);
    entries.push(entry);
  };
  await add('data.pkl', stateDictPickle(tensors));
  for (const [key, tensor] of tensors.entries()) await add(`data/${key}`, await bytesOf(tensor));
  await add('version', new TextEncoder().encode('3\n'));
  const start = offset;
  for (const entry of entries) await write(directoryEntry(entry));
  await write(endRecord(entries.length, start, offset - start));
}

async function bytesOf(tensor: TensorToWrite): Promise<Uint8Array> {
  const expected = storedByteLength(tensor);
  const bytes = new Uint8Array(expected);
  let size = 0;
  for await (const chunk of tensor.chunks) {
    if (size + chunk.length <= expected) bytes.set(chunk, size);
    size += chunk.length;
  }
  if (size === expected) return bytes;
  throw new BaichuanError('shape-mismatch', {
    where: tensor.name,
    what: `its shape needs ${expected} bytes, and ${size} were given.`,
    fix: 'Give the data of the whole tensor.',
    expected,
    found: size,
  });
}

function tooLarge(): BaichuanError {
  return new BaichuanError('shape-mismatch', {
    where: 'pytorch_model.bin',
    what: `the file would have more than ${LIMIT} bytes.`,
    fix: 'Write the model as safetensors.',
    expected: LIMIT,
  });
}

/** Fields of a zip record, from the widths of its numbers. */
function record(...fields: readonly (readonly [value: number, bytes: 2 | 4])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [, width]) => sum + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, width] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => {
    bytes.set(part, at);
    return at + part.length;
  }, 0);
  return bytes;
}

/** Version needed, flags (names are UTF-8), method stored, time and date, then what is common. */
function common({ checksum, size, name }: Entry, extraLength: number) {
  const EPOCH_DATE = 33; // 1 January 1980
  return [
    ...([
      [20, 2],
      [0x0800, 2],
      [0, 2],
      [0, 2],
      [EPOCH_DATE, 2],
    ] as const),
    ...([
      [checksum, 4],
      [size, 4],
      [size, 4],
      [name.length, 2],
      [extraLength, 2],
    ] as const),
  ] as const;
}

/** The header before an entry's bytes, padded so that these lie aligned. */
function localHeader(entry: Entry): Uint8Array {
  const EXTRA_HEAD = 4;
  const plain = entry.offset + LOCAL_HEADER.bytes + entry.name.length + EXTRA_HEAD;
  const padding = (ALIGNMENT - (plain % ALIGNMENT)) % ALIGNMENT;
  const head = record([LOCAL_HEADER.signature, 4], ...common(entry, EXTRA_HEAD + padding));
  const extra = record([PADDING_ID, 2], [padding, 2]);
  return joined(head, entry.name, extra, new Uint8Array(padding));
}

function directoryEntry(entry: Entry): Uint8Array {
  const head = record(
    ...([
      [DIRECTORY_ENTRY.signature, 4],
      [20, 2],
    ] as const),
    ...common(entry, 0),
    // Comment, disk, internal and external attributes, offset.
    ...([
      [0, 2],
      [0, 2],
      [0, 2],
      [0, 4],
      [entry.offset, 4],
    ] as const),
  );
  return joined(head, entry.name);
}

function endRecord(count: number, start: number, size: number): Uint8Array {
  return record(
    ...([
      [END_RECORD.signature, 4],
      [0, 2],
      [0, 2],
      [count, 2],
      [count, 2],
    ] as const),
    ...([
      [size, 4],
      [start, 4],
      [0, 2],
    ] as const),
  );
}
