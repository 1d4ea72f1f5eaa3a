/** Reads the protobuf wire format, as much of it as a SentencePiece model uses.
 *
 *  A message is a list of fields: a tag varint `number · 8 + wire type`, then the value: a varint
 *  (0), eight bytes (1), a length and that many bytes (2), or four bytes (5). The deprecated groups
 *  (3, 4) are refused. Every length is checked against what is left of the message around it.
 *  Source: protobuf.dev, "Encoding". */
import { BaichuanError } from '../errors.ts';

/** A stretch of bytes that holds one message. */
export interface WireMessage {
  bytes: Uint8Array;
  /** First byte of the message. */
  start: number;
  /** One past the last byte of the message. */
  end: number;
  /** The file as the caller named it, for errors. */
  file: string | undefined;
}

/** One field; as a message, `start` … `end` are its value. */
export interface WireField extends WireMessage {
  number: number;
  wireType: 0 | 1 | 2 | 5;
  /** Byte offset of the field's tag in the file. */
  byteOffset: number;
  /** The value's low and high 32 bits, unsigned; wire types 0, 1 and 5 only. */
  low: number;
  high: number;
}

/** Varints of 64 bits take at most ten bytes. */
const MAX_VARINT_BYTES = 10;
const MAX_FIELD_NUMBER = 2 ** 29 - 1;

interface Cursor extends WireMessage {
  /** Byte offset of the next unread byte. */
  at: number;
  /** The varint read last. */
  low: number;
  high: number;
}

/** Calls `visit` for each field of a message, in file order.
 *  @throws protobuf-wire with the byte offset */
export function readFields(message: WireMessage, visit: (field: WireField) => void): void {
  const { bytes, start, end, file } = message;
  const cursor: Cursor = { bytes, start, end, file, at: start, low: 0, high: 0 };
  while (cursor.at < cursor.end) visit(readField(cursor));
}

/** The value of a varint field declared `int32` or as an enumeration: its low 32 bits, signed.
 *  @throws protobuf-wire when the field has another wire type */
export function int32Value(field: WireField): number {
  expectWireType(field, 0);
  return field.low | 0;
}

/** The value of a varint field declared `bool`.
 *  @throws protobuf-wire when the field has another wire type */
export function boolValue(field: WireField): boolean {
  expectWireType(field, 0);
  return field.low !== 0 || field.high !== 0;
}

/** The value of a four-byte field declared `float`.
 *  @throws protobuf-wire when the field has another wire type */
export function floatValue(field: WireField): number {
  expectWireType(field, 5);
  const { bytes, start } = field;
  return new DataView(bytes.buffer, bytes.byteOffset + start, 4).getFloat32(0, true);
}

/** The bytes of a field declared `string`, `bytes` or as a message.
 *  @throws protobuf-wire when the field has another wire type */
export function bytesValue(field: WireField): WireMessage {
  expectWireType(field, 2);
  return field;
}

function readField(cursor: Cursor): WireField {
  const byteOffset = cursor.at;
  readVarint(cursor);
  const wireType = cursor.low % 8;
  const number = (cursor.low - wireType) / 8 + cursor.high * 2 ** 29;
  if (number === 0 || number > MAX_FIELD_NUMBER) {
    throw wireError(cursor, byteOffset, `the field number ${number} is outside 1…2^29 − 1.`);
  }
  if (wireType !== 0 && wireType !== 1 && wireType !== 2 && wireType !== 5) {
    throw wireError(cursor, byteOffset, `field ${number} has the unused wire type ${wireType}.`);
  }
  const start = readValue(cursor, wireType, number);
  const { bytes, at: end, file, low, high } = cursor;
  return { number, wireType, byteOffset, low, high, bytes, start, end, file };
}

/** Goes past a value. Returns where it starts: behind the length, where there is one. */
function readValue(cursor: Cursor, wireType: 0 | 1 | 2 | 5, number: number): number {
  let start = cursor.at;
  if (wireType === 0) readVarint(cursor);
  if (wireType === 1) skip(cursor, 8, number);
  if (wireType === 5) skip(cursor, 4, number);
  if (wireType === 2) {
    readVarint(cursor);
    start = cursor.at;
    skip(cursor, cursor.high * 2 ** 32 + cursor.low, number);
  }
  return start;
}

function readVarint(cursor: Cursor): void {
  const byteOffset = cursor.at;
  cursor.low = 0;
  cursor.high = 0;
  // Nearly all varints are one byte.
  if (byteOffset < cursor.end && cursor.bytes[byteOffset] < 128) {
    cursor.low = cursor.bytes[byteOffset];
    cursor.at++;
    return;
  }
  for (let index = 0; index < MAX_VARINT_BYTES; index++) {
    if (cursor.at === cursor.end) throw wireError(cursor, byteOffset, 'a varint is cut off.');
    const byte = cursor.bytes[cursor.at];
    cursor.at++;
    // The tenth byte has room for bit 63 only.
    if (index === MAX_VARINT_BYTES - 1 && byte > 1) break;
    addVarintBits(cursor, index, byte % 128);
    if (byte < 128) return;
  }
  throw wireError(cursor, byteOffset, 'a varint is longer than 64 bits.');
}

/** What byte `index` of a varint counts in the low and in the high word. Byte 4 is in both. */
const LOW_WEIGHTS = [1, 2 ** 7, 2 ** 14, 2 ** 21, 2 ** 28];
const HIGH_WEIGHTS = [0, 0, 0, 0, 0, 2 ** 3, 2 ** 10, 2 ** 17, 2 ** 24, 2 ** 31];

/** Byte `index` of a varint holds its bits 7 · index … 7 · index + 6. */
function addVarintBits(cursor: Cursor, index: number, bits: number): void {
  if (index < 4) cursor.low += bits * LOW_WEIGHTS[index];
  else if (index > 4) cursor.high += bits * HIGH_WEIGHTS[index];
  else {
    cursor.low += (bits % 16) * LOW_WEIGHTS[index];
    cursor.high += Math.floor(bits / 16);
  }
}

function skip(cursor: Cursor, length: number, number: number): void {
  const left = cursor.end - cursor.at;
  if (length > left) {
    const what = `field ${number} claims ${length} bytes, but ${left} are left in its message.`;
    throw wireError(cursor, cursor.at, what);
  }
  cursor.at += length;
}

function expectWireType(field: WireField, expected: number): void {
  if (field.wireType === expected) return;
  const { number, wireType, byteOffset } = field;
  const what = `field ${number} has wire type ${wireType}, where ${expected} belongs.`;
  throw wireError(field, byteOffset, what);
}

function wireError({ file }: WireMessage, byteOffset: number, what: string): BaichuanError {
  return new BaichuanError('protobuf-wire', {
    file,
    where: `byte ${byteOffset}`,
    what,
    fix: 'The file is damaged or no SentencePiece model; download it again.',
  });
}
