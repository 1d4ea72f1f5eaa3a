/** A zip file of stored entries, written as a stream in the layout of `torch.save`: sizes and
 *  checksums after the data, data at multiples of 64 bytes, zip64 records where numbers need them.
 *  Source: PKWARE APPNOTE 4.3; PyTorch, caffe2/serialize/inline_container.cc. */

import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

interface Entry {
  readonly name: Uint8Array;
  readonly offset: number;
  size: number;
  checksum: number;
}

const MOST = 0xffffffff;
const FLAGS = 0x808; // a descriptor follows, names are UTF-8
const ALIGNMENT = 64;

export interface ZipStream {
  /** Begins an entry. */
  begin(name: string): Promise<void>;
  /** Adds to the entry. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the entry. */
  end(): Promise<void>;
  /** Writes the directory. */
  finish(): Promise<void>;
}

/** Writes into a file from its beginning on. */
export function zipStream(handle: FileHandle): ZipStream {
  const entries: Entry[] = [];
  let at = 0;
  const put = async (bytes: Uint8Array) => {
    await handle.writeFile(bytes);
    at += bytes.length;
  };
  const last = () => entries[entries.length - 1];
  return {
    async begin(text) {
      const name = new TextEncoder().encode(text);
      entries.push({ name, offset: at, size: 0, checksum: 0 });
      await put(localHeader(name, at));
    },
    async write(bytes) {
      last().checksum = crc32(bytes, last().checksum);
      last().size += bytes.length;
      await put(bytes);
    },
    async end() {
      const { size, checksum } = last();
      await put(fields(size < MOST ? '4444' : '4488', [0x08074b50, checksum, size, size]));
    },
    async finish() {
      const begin = at;
      for (const entry of entries) await put(centralRecord(entry));
      await put(endRecords(entries.length, begin, at - begin));
    },
  };
}

/** Its extra field is as long as the data's alignment wants. */
function localHeader(name: Uint8Array, at: number): Uint8Array {
  const padding = -(at + 30 + name.length + 4) & (ALIGNMENT - 1);
  const head = [0x04034b50, 45, FLAGS, 0, 0, 0, 0, 0, name.length, padding + 4];
  const extra = fields('22', [0x4246, padding]);
  return joined(fields('4222444422', head), name, extra, new Uint8Array(padding).fill(0x5a));
}

function centralRecord({ name, offset, size, checksum }: Entry): Uint8Array {
  const large = [size, size, offset].filter((value) => value >= MOST);
  const extra = large.length === 0 ? [] : [1, 8 * large.length, ...large];
  const extraBytes = fields('22888'.slice(0, extra.length), extra);
  const capped = [size, size].map((value) => Math.min(value, MOST));
  const head = [0x02014b50, 45, 45, FLAGS, 0, 0, checksum, ...capped];
  const rest = [name.length, extraBytes.length, 0, 0, 0, 0, Math.min(offset, MOST)];
  return joined(fields('4222244442222244', [...head, ...rest]), name, extraBytes);
}

function endRecords(count: number, begin: number, size: number): Uint8Array {
  return joined(
    fields('4822448888', [0x06064b50, 44, 45, 45, 0, 0, count, count, size, begin]),
    fields('4484', [0x07064b50, 0, begin + size, 1]),
    fields('42222442', [0x06054b50, 0, 0, count, count, size, Math.min(begin, MOST), 0]),
  );
}

/** Little-endian numbers one behind the other. @param sizes a digit for each: its bytes */
function fields(sizes: string, values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array([...sizes].reduce((sum, size) => sum + Number(size), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, size] of [...sizes].entries()) {
    if (size === '2') view.setUint16(at, values[index], true);
    else if (size === '4') view.setUint32(at, values[index], true);
    else view.setBigUint64(at, BigInt(values[index]), true);
    at += Number(size);
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
