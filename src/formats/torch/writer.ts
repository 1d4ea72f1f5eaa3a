/** Writes a state dict as `torch.save` does since 1.6: a zip file of stored entries
 *
 *      NAME/data.pkl     the pickle of an OrderedDict of tensors, protocol 2
 *      NAME/data/0, …    the bytes of each tensor's storage, at multiples of 64 bytes
 *      NAME/version      3
 *
 *  Tensors are contiguous and own their storage. Data is streamed: its checksum follows it, in a
 *  descriptor, as PyTorch has it. Files of any size have zip64 records; one tensor stays under
 *  4 GiB.
 *  Source: PyTorch, torch/serialization.py, `_save`, and caffe2/serialize/inline_container.cc;
 *  PKWARE, APPNOTE.TXT 6.3.10. */

import { BaichuanError } from '../../errors.ts';
import { type ByteSink, joinBytes } from '../byte-source.ts';
import { storedByteLength, type TensorToWrite } from '../safetensors-writer.ts';
import { crc32 } from '../zip/crc32.ts';
import { stateDictPickle } from './pickle-writer.ts';

/** The folder in the archive, which readers strip. */
const ROOT = 'archive';
const ALIGNMENT = 64;

/** The greatest number of 32 bits; in a directory it says that zip64 has the real one. */
const MOST = 2 ** 32 - 1;

/** A descriptor follows the data, and names are UTF-8. */
const FLAGS = 0x808;
const VERSION = 45;
const EPOCH_DATE = 33; // 1 January 1980

/** The extra fields: what PyTorch pads with, and zip64. */
const PADDING_ID = 0x4246;
const ZIP64_ID = 1;

const LOCAL_HEADER_BYTES = 30;

interface Entry {
  readonly name: Uint8Array;
  readonly offset: number;
  readonly size: number;
  readonly checksum: number;
}

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Writes a file that `torch.load` reads.
 *  @throws shape-mismatch when data and shape of a tensor differ, or one has 4 GiB or more */
export async function writeTorch(sink: ByteSink, tensors: readonly TensorToWrite[]): Promise<void> {
  const entries: Entry[] = [];
  let at = 0;
  const write = async (bytes: Uint8Array) => {
    at += bytes.length;
    await sink.write(bytes);
  };
  const add = async (leaf: string, chunks: Chunks) => {
    const name = new TextEncoder().encode(`${ROOT}/${leaf}`);
    const offset = at;
    await write(localHeader(name, offset));
    let [size, checksum] = [0, 0];
    for await (const chunk of chunks) {
      size += chunk.length;
      checksum = crc32(chunk, checksum);
      await write(chunk);
    }
    await write(fields('4444', [0x08074b50, checksum, size, size]));
    entries.push({ name, offset, size, checksum });
  };
  for (const tensor of tensors) expectSmall(tensor);
  await add('data.pkl', [stateDictPickle(tensors)]);
  for (const [key, tensor] of tensors.entries()) await add(`data/${key}`, wholeData(tensor));
  await add('version', [new TextEncoder().encode('3\n')]);
  const start = at;
  for (const entry of entries) await write(directoryEntry(entry));
  await write(endRecords(entries.length, start, at - start));
}

/** The data of a tensor, which must be as long as its shape says. */
async function* wholeData(tensor: TensorToWrite): AsyncGenerator<Uint8Array> {
  const expected = storedByteLength(tensor);
  let size = 0;
  for await (const chunk of tensor.chunks) {
    size += chunk.length;
    if (size <= expected) yield chunk;
  }
  if (size === expected) return;
  throw new BaichuanError('shape-mismatch', {
    where: tensor.name,
    what: `its shape needs ${expected} bytes, and ${size} were given.`,
    fix: 'Give the data of the whole tensor.',
    expected,
    found: size,
  });
}

function expectSmall(tensor: TensorToWrite): void {
  const size = storedByteLength(tensor);
  if (size < MOST) return;
  throw new BaichuanError('shape-mismatch', {
    where: tensor.name,
    what: `it has ${size} bytes, where an entry of the file holds fewer than ${MOST}.`,
    fix: 'Write the model as safetensors.',
    expected: MOST,
    found: size,
  });
}

/** The header before an entry's bytes, padded so that these lie aligned. */
function localHeader(name: Uint8Array, offset: number): Uint8Array {
  const EXTRA_HEAD = 4;
  const plain = offset + LOCAL_HEADER_BYTES + name.length + EXTRA_HEAD;
  const padding = (ALIGNMENT - (plain % ALIGNMENT)) % ALIGNMENT;
  // Signature, version, flags, method, time, date; checksum and sizes come later.
  const head = [0x04034b50, VERSION, FLAGS, 0, 0, EPOCH_DATE, 0, 0, 0];
  const lengths = [name.length, EXTRA_HEAD + padding];
  const extra = fields('22', [PADDING_ID, padding]);
  return joinBytes([
    ...[fields('42222244422', [...head, ...lengths]), name],
    ...[extra, new Uint8Array(padding)],
  ]);
}

function directoryEntry({ name, offset, size, checksum }: Entry): Uint8Array {
  const extra = offset < MOST ? new Uint8Array(0) : fields('228', [ZIP64_ID, 8, offset]);
  // Signature, versions, flags, method, time, date.
  const head = [0x02014b50, VERSION, VERSION, FLAGS, 0, 0, EPOCH_DATE, checksum, size, size];
  // Comment, disk, internal and external attributes.
  const rest = [name.length, extra.length, 0, 0, 0, 0, Math.min(offset, MOST)];
  return joinBytes([fields('42222224442222244', [...head, ...rest]), name, extra]);
}

/** The zip64 end record, where to find it, and the end record. */
function endRecords(count: number, start: number, size: number): Uint8Array {
  const entries = Math.min(count, 2 ** 16 - 1);
  return joinBytes([
    fields('4822448888', [0x06064b50, 44, VERSION, VERSION, 0, 0, count, count, size, start]),
    fields('4484', [0x07064b50, 0, start + size, 1]),
    fields('42222442', [0x06054b50, 0, 0, entries, entries, size, Math.min(start, MOST), 0]),
  ]);
}

/** Little-endian numbers one behind the other. @param widths a digit for each: its bytes */
function fields(widths: string, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array([...widths].reduce((sum, width) => sum + Number(width), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, width] of [...widths].entries()) {
    if (width === '2') view.setUint16(at, values[index], true);
    else if (width === '4') view.setUint32(at, values[index], true);
    else view.setBigUint64(at, BigInt(values[index]), true);
    at += Number(width);
  }
  return bytes;
}
