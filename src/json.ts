/** Strict, bounded JSON (RFC 8259) for files that nobody vouches for.
 *
 *  It accepts a part of what `JSON.parse` accepts, and gives the same values, but: objects are
 *  Maps, so no key is special; a key given twice, nesting beyond 64, half a surrogate pair, a byte
 *  order mark and bytes that are not UTF-8 are errors; numbers that a double does not hold as they
 *  are written are kept as text. An error names line, column, byte offset and JSON pointer.
 *
 *  Memory is bounded by the text: more than 1,100,000 values, 300,002 arrays and objects (fewer in
 *  a short text), or 100,001 keys in one object are errors, before the next one is made. */
import { BaichuanError } from './errors.ts';
import {
  byteOffsetOf,
  countContainer,
  countValue,
  type DuplicateKey,
  expectKeyCount,
  fail,
  failAt,
  type JsonNumber,
  jsonPointer,
  keepKey,
  type ParseJsonOptions,
  readNumber,
  readString,
  readWord,
  type Scanner,
  skipSpace,
  startScanner,
} from './json-scanner.ts';
import { firstInvalidUtf8 } from './utf-8.ts';

export { type DuplicateKey, type JsonNumber, jsonPointer, type ParseJsonOptions };

export type JsonValue = null | boolean | string | number | JsonNumber | JsonValue[] | JsonObject;
export type JsonObject = Map<string, JsonValue>;

/** Arrays and objects inside each other. */
const MAX_DEPTH = 64;

/** Elements of an array that is not worth its spare room. */
const SMALL_ARRAY = 16;

/** Parses one JSON text.
 *  @param bytes UTF-8, at most `maxBytes`
 *  @throws json-size, json-utf8, json-syntax, json-depth, json-duplicate-key */
export function parseJson(bytes: Uint8Array, options: ParseJsonOptions): JsonValue {
  const { file, maxBytes, byteOffset = 0 } = options;
  if (bytes.length > maxBytes) {
    throw new BaichuanError('json-size', {
      file,
      what: `the JSON text has ${bytes.length} bytes, where at most ${maxBytes} are read.`,
      fix: 'Check that this is the file you mean; no valid one is as large.',
      expected: maxBytes,
      found: bytes.length,
    });
  }
  expectUtf8(bytes, file, byteOffset);
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const scanner = startScanner(text, bytes.length, options);
  const value = readValue(scanner);
  skipSpace(scanner);
  if (scanner.position < text.length) fail(scanner, 'nothing may follow the value');
  return value;
}

/** Tells a number that was kept as text from the other values. */
export function isJsonNumber(value: JsonValue): value is JsonNumber {
  return typeof value === 'object' && value !== null && 'text' in value;
}

function expectUtf8(bytes: Uint8Array, file: string | undefined, byteOffset: number): void {
  const mark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const invalid = mark ? 0 : firstInvalidUtf8(bytes);
  if (invalid < 0) return;
  const byte = `0x${bytes[invalid].toString(16).padStart(2, '0')}`;
  const what = mark
    ? 'the JSON text begins with a byte order mark.'
    : `the JSON text is not UTF-8: the byte ${byte} begins no valid character.`;
  throw new BaichuanError('json-utf8', {
    file,
    where: `byte ${byteOffset + invalid}`,
    what,
    fix: 'Save the file as UTF-8 without a byte order mark, or download it again.',
    expected: 'UTF-8',
    found: mark ? 'byte order mark' : byte,
  });
}

function readValue(scanner: Scanner): JsonValue {
  skipSpace(scanner);
  countValue(scanner);
  const { text, position } = scanner;
  switch (text[position]) {
    case '{':
      return readObject(scanner);
    case '[':
      return readArray(scanner);
    case '"':
      return readString(scanner);
    case 't':
      return readWord(scanner, 'true', true);
    case 'f':
      return readWord(scanner, 'false', false);
    case 'n':
      return readWord(scanner, 'null', null);
    default:
      return readNumber(scanner);
  }
}

function readArray(scanner: Scanner): JsonValue[] {
  enter(scanner);
  const values: JsonValue[] = [];
  const depth = scanner.path.length;
  if (!closes(scanner, ']')) {
    do {
      scanner.path[depth] = values.length;
      values.push(readValue(scanner));
    } while (continues(scanner, ']'));
    scanner.path.pop();
  }
  // An array that grew has room to grow on: a copy has none, and there may be 200,000 of them.
  return values.length < SMALL_ARRAY ? values.slice() : values;
}

function readObject(scanner: Scanner): JsonObject {
  const start = scanner.position;
  enter(scanner);
  const members: JsonObject = new Map();
  const depth = scanner.path.length;
  if (!closes(scanner, '}')) {
    do {
      const keyPosition = skipSpace(scanner);
      const key = readKey(scanner);
      scanner.path[depth] = key;
      if (members.has(key)) failDuplicate(scanner, start, keyPosition);
      expectKeyCount(scanner, members.size + 1);
      members.set(key, readValue(scanner));
    } while (continues(scanner, '}'));
    scanner.path.pop();
  }
  return members;
}

function readKey(scanner: Scanner): string {
  if (scanner.text[scanner.position] !== '"') fail(scanner, 'a key in double quotes is needed');
  const key = keepKey(scanner, readString(scanner));
  skipSpace(scanner);
  if (scanner.text[scanner.position] !== ':') fail(scanner, 'a colon is needed after a key');
  scanner.position += 1;
  return key;
}

function enter(scanner: Scanner): void {
  if (scanner.path.length >= MAX_DEPTH) {
    const what = `arrays and objects are nested deeper than ${MAX_DEPTH}.`;
    failAt(scanner, 'json-depth', what, { expected: MAX_DEPTH, found: MAX_DEPTH + 1 });
  }
  countContainer(scanner);
  scanner.position += 1;
}

/** True, and past it, when an array or object that was just entered is empty. */
function closes(scanner: Scanner, close: string): boolean {
  skipSpace(scanner);
  if (scanner.text[scanner.position] !== close) return false;
  scanner.position += 1;
  return true;
}

/** True after a comma, false after the closing mark; anything else is an error. */
function continues(scanner: Scanner, close: string): boolean {
  skipSpace(scanner);
  const mark = scanner.text[scanner.position];
  if (mark !== ',' && mark !== close) fail(scanner, `a comma or ${close} is needed`);
  scanner.position += 1;
  if (mark === close) return false;
  skipSpace(scanner);
  if (scanner.text[scanner.position] === close) fail(scanner, 'no comma may stand before the end');
  return true;
}

/** Refuses the key that `path` ends in, because the object that begins at `start` has it
 *  already. */
function failDuplicate(scanner: Scanner, start: number, keyPosition: number): never {
  const { path, options } = scanner;
  const key = String(path[path.length - 1]);
  const first = firstPositionOf(scanner, start, key);
  const byteOffsets = [byteOffsetOf(scanner, first), byteOffsetOf(scanner, keyPosition)] as const;
  const pointer = jsonPointer(path);
  const duplicate = { key, pointer, depth: path.length, byteOffsets };
  const other = options.duplicateError?.(duplicate);
  if (other !== undefined) throw other;
  throw new BaichuanError('json-duplicate-key', {
    file: options.file,
    where: pointer,
    what: `this key is given twice, at bytes ${byteOffsets[0]} and ${byteOffsets[1]}.`,
    fix: 'Remove one of the two, or download the file again.',
    expected: 1,
    found: 2,
  });
}

/** Reads the object again up to a key. */
function firstPositionOf(scanner: Scanner, start: number, key: string): number {
  const again: Scanner = { ...scanner, position: start + 1, path: [], values: 0, containers: 0 };
  for (;;) {
    const position = skipSpace(again);
    if (readKey(again) === key) return position;
    readValue(again);
    continues(again, '}');
  }
}
