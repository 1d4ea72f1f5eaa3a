/** Zip files of stored entries, written apart from the reader under test: as PyTorch lays them out
 *  (descriptors after the data, zip64 end records, padding), or plain, or wrong where told. */
import { type Marked, MarkedWriter } from './fuzz/marked.ts';
import { utf8 } from './model-files.ts';

export interface ZipPart {
  readonly name: string;
  readonly data: Uint8Array;
  /** Whether sizes and offset are in a zip64 field. */
  readonly zip64?: boolean | undefined;
  /** Bytes of padding in the local header. */
  readonly padding?: number | undefined;
}

export interface ZipStyle {
  /** Whether sizes follow the data, as PyTorch has it. */
  readonly descriptors?: boolean;
  /** Whether there is a zip64 end record. */
  readonly zip64?: boolean;
  readonly comment?: string;
}

/** Where the records of a written file begin. */
export interface ZipPlaces {
  readonly local: number[];
  readonly central: number[];
  zip64: number;
  locator: number;
  end: number;
}

/** As `torch.save` writes. */
export const TORCH_STYLE: ZipStyle = { descriptors: true, zip64: true };

/** Writes a zip file. */
export function zipFile(
  parts: readonly ZipPart[],
  style: ZipStyle = TORCH_STYLE,
): Marked & { readonly places: ZipPlaces } {
  const writer = new MarkedWriter();
  const places: ZipPlaces = { local: [], central: [], zip64: -1, locator: -1, end: -1 };
  for (const part of parts) {
    places.local.push(writer.at);
    writer.record(() => writeLocal(writer, part, style));
  }
  const begin = writer.at;
  parts.forEach((part, index) => {
    places.central.push(writer.at);
    writer.record(() => writeCentral(writer, part, places.local[index], style));
  });
  writeEnd(writer, places, { count: parts.length, begin, style });
  return { ...writer.done(), places };
}

function flagsOf({ descriptors }: ZipStyle): number {
  return descriptors === true ? 0x808 : 0x800;
}

function writeLocal(writer: MarkedWriter, part: ZipPart, style: ZipStyle): void {
  const { name, data, padding = 0, zip64 = false } = part;
  const known = style.descriptors !== true;
  const size = known ? data.length : 0;
  const extra = (zip64 && known ? 20 : 0) + (padding > 0 ? padding + 4 : 0);
  writer.tag(4, 0x04034b50).number(2, 0).number(2, flagsOf(style)).number(2, 0);
  writer.number(4, 0).number(4, known ? checksum(data) : 0);
  for (let i = 0; i < 2; i++) writer.number(4, zip64 && known ? 0xffffffff : size);
  writer.number(2, utf8(name).length).number(2, extra).text(utf8(name));
  if (zip64 && known) writer.number(2, 1).number(2, 16).number(8, size).number(8, size);
  if (padding > 0)
    writer.number(2, 0x4246).number(2, padding).raw(new Uint8Array(padding).fill(90));
  writer.raw(data);
  if (known) return;
  writer.tag(4, 0x08074b50).number(4, checksum(data));
  for (let i = 0; i < 2; i++) writer.number(zip64 ? 8 : 4, data.length);
}

function writeCentral(writer: MarkedWriter, part: ZipPart, offset: number, style: ZipStyle): void {
  const { name, data, zip64 = false } = part;
  const masked = (value: number) => (zip64 ? 0xffffffff : value);
  writer.tag(4, 0x02014b50).number(2, 0x31e).number(2, 45).number(2, flagsOf(style)).number(2, 0);
  writer.number(4, 0).number(4, checksum(data));
  writer.number(4, masked(data.length)).number(4, masked(data.length));
  writer.number(2, utf8(name).length).number(2, zip64 ? 28 : 0);
  writer.number(2, 0).number(2, 0).number(2, 0).number(4, 0);
  writer.number(4, masked(offset)).text(utf8(name));
  if (!zip64) return;
  writer.number(2, 1).number(2, 24).number(8, data.length).number(8, data.length).number(8, offset);
}

function writeEnd(
  writer: MarkedWriter,
  places: ZipPlaces,
  { count, begin, style }: { count: number; begin: number; style: ZipStyle },
): void {
  const size = writer.at - begin;
  if (style.zip64 === true) {
    places.zip64 = writer.at;
    writer
      .tag(4, 0x06064b50)
      .number(8, 44)
      .number(2, 0x31e)
      .number(2, 45)
      .number(4, 0)
      .number(4, 0);
    writer.number(8, count).number(8, count).number(8, size).number(8, begin);
    places.locator = writer.at;
    writer.tag(4, 0x07064b50).number(4, 0).number(8, places.zip64).number(4, 1);
  }
  places.end = writer.at;
  const comment = Uint8Array.from(style.comment ?? '', (character) => character.charCodeAt(0));
  writer.tag(4, 0x06054b50).number(2, 0).number(2, 0).number(2, count).number(2, count);
  writer.number(4, size).number(4, begin).number(2, comment.length).text(comment);
}

/** CRC-32 bit by bit, apart from the table of the reader. */
export function checksum(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
    }
  }
  return ~remainder >>> 0;
}

/** A copy of bytes with one little-endian number replaced. */
export function patched(
  bytes: Uint8Array,
  at: number,
  size: number,
  value: number | bigint,
): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy.set(new MarkedWriter().number(size, value).done().bytes, at);
  return copy;
}
