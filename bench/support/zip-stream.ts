/** A zip file of stored entries, written as a stream in the layout of `torch.save`: sizes and
 *  checksums after the data, data at multiples of 64 bytes, zip64 records where numbers need them.
 *  Source: PKWARE APPNOTE 4.3; PyTorch, caffe2/serialize/inline_container.cc. */

import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** The fields of a record: sizes in bytes, and values. */
type Fields = readonly (readonly [size: 2 | 4 | 8, value: number])[];

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
      const padding = -(at + 30 + name.length + 4) & (ALIGNMENT - 1);
      const sizes: Fields = [
        [4, 0],
        [4, 0],
        [4, 0],
        [2, name.length],
        [2, padding + 4],
      ];
      await put(record(0x04034b50, [[2, 45], [2, FLAGS], [2, 0], [4, 0], ...sizes]));
      await put(name);
      await put(
        fields([
          [2, 0x4246],
          [2, padding],
        ]),
      );
      await put(new Uint8Array(padding).fill(0x5a));
    },
    async write(bytes) {
      last().checksum = crc32(bytes, last().checksum);
      last().size += bytes.length;
      await put(bytes);
    },
    async end() {
      const { size, checksum } = last();
      const width = size < MOST ? 4 : 8;
      await put(
        record(0x08074b50, [
          [4, checksum],
          [width, size],
          [width, size],
        ]),
      );
    },
    async finish() {
      const begin = at;
      for (const entry of entries) await put(centralRecord(entry));
      await put(endRecords(entries.length, begin, at - begin));
    },
  };
}

function centralRecord({ name, offset, size, checksum }: Entry): Uint8Array {
  const large: Fields = [size, size, offset].filter((value) => value >= MOST).map((v) => [8, v]);
  const extra: Fields = large.length === 0 ? [] : [[2, 1], [2, 8 * large.length], ...large];
  const head: Fields = [
    [2, 45],
    [2, 45],
    [2, FLAGS],
    [2, 0],
    [4, 0],
    [4, checksum],
  ];
  const capped = (value: number) => Math.min(value, MOST);
  const sizes: Fields = [
    [4, capped(size)],
    [4, capped(size)],
    [2, name.length],
  ];
  const rest: Fields = [
    [2, fields(extra).length],
    [2, 0],
    [2, 0],
    [2, 0],
    [4, 0],
  ];
  const start = record(0x02014b50, [...head, ...sizes, ...rest, [4, capped(offset)]]);
  return joined(start, name, fields(extra));
}

function endRecords(count: number, begin: number, size: number): Uint8Array {
  const counts: Fields = [
    [8, count],
    [8, count],
    [8, size],
    [8, begin],
  ];
  return joined(
    record(0x06064b50, [[8, 44], [2, 45], [2, 45], [4, 0], [4, 0], ...counts]),
    record(0x07064b50, [
      [4, 0],
      [8, begin + size],
      [4, 1],
    ]),
    record(0x06054b50, [
      [2, 0],
      [2, 0],
      [2, count],
      [2, count],
    ]),
    fields([
      [4, size],
      [4, Math.min(begin, MOST)],
      [2, 0],
    ]),
  );
}

function record(signature: number, values: Fields): Uint8Array {
  return fields([[4, signature], ...values]);
}

function fields(values: Fields): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of values) {
    if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
