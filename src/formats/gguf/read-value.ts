/** One key or value of GGUF metadata. Every length is compared with a limit and with the bytes that
 *  are left before anything of that size is made. */
import { BaichuanError, quote } from '../../errors.ts';
import { firstInvalidUtf8 } from '../../utf-8.ts';
import type { HeaderCursor } from './cursor.ts';
import { MAX_ITEM_BYTES, MAX_ITEMS, MAX_KEY_BYTES, MAX_STRING_BYTES } from './limits.ts';
import type { Spellings } from './spellings.ts';
import { type GgufValue, type NumberType, VALUE_TYPES, type ValueType } from './values.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes of a value of each type; of a text or an array, the least that it takes. */
const VALUE_BYTES: Readonly<Record<ValueType, number>> = {
  ...{ uint8: 1, int8: 1, uint16: 2, int16: 2, uint32: 4, int32: 4, float32: 4, bool: 1 },
  ...{ uint64: 8, int64: 8, float64: 8, string: 8, array: 12 },
};

/** Reads a key.
 *  @throws gguf-key, gguf-truncated */
export async function readKey(cursor: HeaderCursor): Promise<string> {
  const { byteOffset } = cursor;
  await cursor.need(8, 'length of a key');
  const length = cursor.uint64();
  if (length < 1n || length > MAX_KEY_BYTES) {
    const what = `a key of ${length} bytes, where 1 to ${MAX_KEY_BYTES} are allowed.`;
    throw damaged('gguf-key', cursor, `byte ${byteOffset}`, what);
  }
  await cursor.need(Number(length), 'a key');
  const bytes = cursor.bytes(Number(length));
  const invalid = firstInvalidUtf8(bytes);
  if (invalid < 0) return decoder.decode(bytes);
  const where = `byte ${byteOffset + 8 + invalid}`;
  throw damaged('gguf-key', cursor, where, 'the key is not UTF-8 there.');
}

/** Reads the type and the value of a key.
 *  @throws gguf-type, gguf-text, gguf-bool, gguf-array, gguf-truncated */
export async function readValue(cursor: HeaderCursor, key: string): Promise<GgufValue> {
  const type = await readType(cursor, key);
  await cursor.need(VALUE_BYTES[type], `value of ${quote(key)}`);
  if (type === 'string') return { type, value: await readText(cursor, key) };
  if (type === 'bool') return { type, value: takeBool(cursor, key) };
  if (type === 'array') return readArray(cursor, key);
  return { type, value: takeNumber(cursor, type) };
}

async function readType(cursor: HeaderCursor, key: string): Promise<ValueType> {
  const { byteOffset } = cursor;
  await cursor.need(4, `type of ${quote(key)}`);
  const number = cursor.uint32();
  const type = VALUE_TYPES[number];
  if (type !== undefined) return type;
  const where = `byte ${byteOffset}, ${quote(key)}`;
  const what = `the value has the type ${number}, where 0 to ${VALUE_TYPES.length - 1} are known.`;
  throw damaged('gguf-type', cursor, where, what);
}

function takeNumber(cursor: HeaderCursor, type: NumberType): number | bigint {
  const value = cursor[type]();
  if (typeof value === 'number') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function takeBool(cursor: HeaderCursor, key: string): boolean {
  const { byteOffset } = cursor;
  const byte = cursor.uint8();
  if (byte <= 1) return byte === 1;
  const where = `byte ${byteOffset}, ${quote(key)}`;
  throw damaged('gguf-bool', cursor, where, `a truth value is the byte ${byte}, not 0 or 1.`);
}

async function readText(cursor: HeaderCursor, key: string): Promise<string> {
  const { byteOffset } = cursor;
  const byteLength = takeTextLength(cursor, key);
  await cursor.need(byteLength, `text of ${quote(key)}`);
  const bytes = cursor.bytes(byteLength);
  const invalid = firstInvalidUtf8(bytes);
  if (invalid < 0) return decoder.decode(bytes);
  const where = `byte ${byteOffset + 8 + invalid}, ${quote(key)}`;
  throw damaged('gguf-text', cursor, where, 'the text is not UTF-8 there.');
}

/** The length of a text, whose 8 bytes are there. */
function takeTextLength(cursor: HeaderCursor, key: string): number {
  const { byteOffset } = cursor;
  const byteLength = cursor.uint64();
  if (byteLength <= MAX_STRING_BYTES) return Number(byteLength);
  const where = `byte ${byteOffset}, ${quote(key)}`;
  const what = `a text of ${byteLength} bytes, where at most ${MAX_STRING_BYTES} are read.`;
  throw damaged('gguf-text', cursor, where, what);
}

async function readArray(cursor: HeaderCursor, key: string): Promise<GgufValue> {
  const { byteOffset } = cursor;
  const type = await readType(cursor, key);
  const where = `byte ${byteOffset}, ${quote(key)}`;
  if (type === 'array') {
    throw damaged('gguf-type', cursor, where, 'an array of arrays, which no key has.');
  }
  await cursor.need(8, `length of ${quote(key)}`);
  const length = cursor.uint64();
  const least = BigInt(VALUE_BYTES[type]) * length;
  if (length > MAX_ITEMS || least > cursor.bytesLeft) {
    const room = `${cursor.bytesLeft} bytes left, and at most ${MAX_ITEMS} are read`;
    const what = `an array of ${length} values of ${VALUE_BYTES[type]} bytes or more: ${room}.`;
    throw damaged('gguf-array', cursor, where, what);
  }
  const count = Number(length);
  if (type === 'string') {
    return { type: 'array', of: type, items: await readTexts(cursor, key, count) };
  }
  await cursor.need(count * VALUE_BYTES[type], `values of ${quote(key)}`);
  return takeItems(cursor, key, type, count);
}

/** The items of an array whose bytes are there. */
function takeItems(
  cursor: HeaderCursor,
  key: string,
  type: Exclude<ValueType, 'string' | 'array'>,
  count: number,
): GgufValue {
  if (type === 'float32') {
    const items = new Float32Array(count);
    for (let i = 0; i < count; i++) items[i] = cursor.float32();
    return { type: 'array', of: type, items };
  }
  if (type === 'int32') {
    const items = new Int32Array(count);
    for (let i = 0; i < count; i++) items[i] = cursor.int32();
    return { type: 'array', of: type, items };
  }
  if (type === 'uint32') {
    const items = new Uint32Array(count);
    for (let i = 0; i < count; i++) items[i] = cursor.uint32();
    return { type: 'array', of: type, items };
  }
  if (type === 'bool') for (let i = 0; i < count; i++) takeBool(cursor, key);
  else cursor.bytes(count * VALUE_BYTES[type]);
  return { type: 'array', of: 'other', what: `an array of ${count} ${type}` };
}

/** The texts of an array, their bytes one after the other. */
async function readTexts(cursor: HeaderCursor, key: string, count: number): Promise<Spellings> {
  const starts = new Int32Array(count);
  const ends = new Int32Array(count);
  let bytes = new Uint8Array(Math.min(4096, cursor.bytesLeft));
  let end = 0;
  for (let i = 0; i < count; i++) {
    if (!cursor.has(8)) await cursor.need(8, `item ${i} of ${quote(key)}`);
    const byteLength = takeTextLength(cursor, key);
    if (end + byteLength > MAX_ITEM_BYTES) {
      const what = `the texts have more than ${MAX_ITEM_BYTES} bytes together.`;
      throw damaged('gguf-array', cursor, `item ${i} of ${quote(key)}`, what);
    }
    if (!cursor.has(byteLength)) await cursor.need(byteLength, `item ${i} of ${quote(key)}`);
    if (end + byteLength > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, end + byteLength));
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(cursor.bytes(byteLength), end);
    starts[i] = end;
    end += byteLength;
    ends[i] = end;
  }
  return { count, bytes: bytes.slice(0, end), starts, ends };
}

function damaged(
  code: 'gguf-key' | 'gguf-type' | 'gguf-text' | 'gguf-bool' | 'gguf-array',
  { file }: HeaderCursor,
  where: string,
  what: string,
): BaichuanError {
  const fix = 'Download the file again; if that does not help, convert the model anew.';
  return new BaichuanError(code, { file, where, what, fix });
}
