/** The lexical half of `json.ts`: numbers, strings, white space, and errors that say where.
 *  Grammar: RFC 8259, sections 2, 6 and 7. */
import { BaichuanError, type ErrorCode, type ErrorDetails, quote } from './errors.ts';

/** A number literal that is not plain. A plain `number` is an integer written in digits alone and
 *  under 2^53, or a value that is no integer; all others (`8.0`, `1e3`, `-0`, `9007199254740993`,
 *  `1e999`) keep their text, so that `Number.isInteger(x)` tells integers as they were written. */
export interface JsonNumber {
  readonly text: string;
  /** What `JSON.parse` makes of it, infinity included. */
  readonly value: number;
}

/** A key that stands twice in one object. */
export interface DuplicateKey {
  readonly key: string;
  /** JSON pointer of the key. */
  readonly pointer: string;
  /** Keys and indices from the root to this one: 1 in the root object. */
  readonly depth: number;
  /** Where the two keys begin, in bytes from the start of the file. */
  readonly byteOffsets: readonly [number, number];
}

export interface ParseJsonOptions {
  /** The file as the caller named it. */
  file?: string | undefined;
  /** The largest text that is read, in bytes. */
  maxBytes: number;
  /** Where the text begins in its file, in bytes; 0 unless told. */
  byteOffset?: number | undefined;
  /** Another error for a key given twice. */
  duplicateError?: ((duplicate: DuplicateKey) => BaichuanError | undefined) | undefined;
}

/** Values of all kinds: a safetensors header of 100,000 tensors of rank 4 has 1,000,001 and its
 *  metadata. */
const MAX_VALUES = 1_100_000;

/** Arrays, objects and numbers kept as text, each of which costs some hundred bytes of memory: a
 *  safetensors header of 100,000 tensors has three for each, one around them, and its metadata. */
const MAX_CONTAINERS = 300_002;

/** A text has one of them per 16 bytes at most, and some more: a tensor has three in 48 bytes. */
const BYTES_PER_CONTAINER = 16;
const SPARE_CONTAINERS = 10_000;

/** Keys in one object: the names of 100,000 tensors, and the metadata. */
const MAX_KEYS = 100_001;

/** A text, how far it has been read, and where that is in the value. */
export interface Scanner {
  readonly text: string;
  readonly options: ParseJsonOptions;
  /** The next character to look at. */
  position: number;
  /** Keys and indices from the root to the value being read. */
  readonly path: (string | number)[];
  /** How many values of all kinds, and how many that cost many times their bytes. */
  values: number;
  containers: number;
  readonly maxContainers: number;
  /** The first keys of the text: a key that comes again is kept once. */
  readonly keys: Map<string, string>;
}

const MAX_KEPT_KEYS = 64;

/** Begins to read a text of so many bytes. */
export function startScanner(text: string, byteLength: number, options: ParseJsonOptions): Scanner {
  const ofSize = SPARE_CONTAINERS + Math.floor(byteLength / BYTES_PER_CONTAINER);
  const maxContainers = Math.min(MAX_CONTAINERS, ofSize);
  const none = { position: 0, values: 0, containers: 0 };
  return { text, options, path: [], maxContainers, keys: new Map(), ...none };
}

/** The same key, in the memory of the first like it. */
export function keepKey({ keys }: Scanner, key: string): string {
  const kept = keys.get(key);
  if (kept !== undefined) return kept;
  if (keys.size < MAX_KEPT_KEYS) keys.set(key, key);
  return key;
}

/** Reads one of the three literal names. */
export function readWord<T>(scanner: Scanner, word: string, value: T): T {
  if (!scanner.text.startsWith(word, scanner.position)) fail(scanner, 'a value is needed');
  scanner.position += word.length;
  return value;
}

/** Reads a number; its text is kept when it is not plain. */
export function readNumber(scanner: Scanner): number | JsonNumber {
  return readShortInteger(scanner) ?? readAnyNumber(scanner);
}

/** The common case without a regular expression: at most 15 digits, or undefined. */
function readShortInteger(scanner: Scanner): number | undefined {
  const { text, position } = scanner;
  let end = position;
  let value = 0;
  let code = text.charCodeAt(end);
  while (code >= 0x30 && code <= 0x39 && end - position < 15) {
    value = value * 10 + code - 0x30;
    end += 1;
    code = text.charCodeAt(end);
  }
  // Leading zeros, fractions, exponents (`.`, `E`, `e`) and more digits go the other way.
  if (end === position || (text.charCodeAt(position) === 0x30 && end > position + 1)) return;
  if ((code >= 0x30 && code <= 0x39) || code === 0x2e || code === 0x45 || code === 0x65) return;
  scanner.position = end;
  return value;
}

function readAnyNumber(scanner: Scanner): number | JsonNumber {
  const pattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  pattern.lastIndex = scanner.position;
  const text = pattern.exec(scanner.text)?.[0];
  if (text === undefined) fail(scanner, 'a value is needed');
  scanner.position += text.length;
  const value = Number(text);
  const digits = /^(?:-?[1-9][0-9]*|0)$/.test(text);
  if (digits ? Number.isSafeInteger(value) : isFraction(value)) return value;
  countContainer(scanner);
  return { text, value };
}

function isFraction(value: number): boolean {
  return Number.isFinite(value) && !Number.isInteger(value);
}

/** Counts one more value of any kind.
 *  @throws json-size */
export function countValue(scanner: Scanner): void {
  scanner.values += 1;
  if (scanner.values > MAX_VALUES) failSize(scanner, 'the text', MAX_VALUES, 'values');
}

/** Counts one more value that costs many times its bytes.
 *  @throws json-size */
export function countContainer(scanner: Scanner): void {
  scanner.containers += 1;
  if (scanner.containers <= scanner.maxContainers) return;
  failSize(scanner, 'the text', scanner.maxContainers, 'arrays and objects');
}

/** Refuses an object with too many keys.
 *  @throws json-size */
export function expectKeyCount(scanner: Scanner, count: number): void {
  if (count > MAX_KEYS) failSize(scanner, 'the object', MAX_KEYS, 'keys');
}

function failSize(scanner: Scanner, holder: string, limit: number, things: string): never {
  const what = `${holder} holds more than ${limit} ${things}.`;
  failAt(scanner, 'json-size', what, { expected: limit, found: limit + 1 });
}

/** Moves past white space. @returns the position reached */
export function skipSpace(scanner: Scanner): number {
  const { text } = scanner;
  let { position } = scanner;
  while (isSpace(text.charCodeAt(position))) position += 1;
  scanner.position = position;
  return position;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** Reads a string whose opening quote is at the position. Its escapes are checked one by one and
 *  undone at once, in memory of the size of the string. */
export function readString(scanner: Scanner): string {
  const { text, position: start } = scanner;
  let isEscaped = false;
  let position = start + 1;
  for (;;) {
    const code = text.charCodeAt(position);
    if (code === 0x22) break;
    if (code === 0x5c) {
      isEscaped = true;
      position = endOfEscape(scanner, position);
    } else if (code >= 0x20) {
      position += 1;
    } else {
      scanner.position = position;
      const ended = position >= text.length;
      fail(scanner, ended ? 'the string has no end' : 'a control character needs an escape');
    }
  }
  scanner.position = position + 1;
  if (!isEscaped) return text.slice(start + 1, position);
  // What was checked here is a string to JSON.parse, with the same escapes.
  return JSON.parse(text.slice(start, position + 1)) as string;
}

/** An escape: of one character, of a surrogate pair, or of a UTF-16 unit that is no half of one. */
const PAIR = /[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}/.source;
const UNIT = /(?![dD][89a-fA-F])[0-9a-fA-F]{4}/.source;
const ESCAPE = new RegExp(String.raw`\\(?:["\\/bfnrt]|u(?:${PAIR}|${UNIT}))`, 'y');

/** The position after the escape whose backslash is at `position`. */
function endOfEscape(scanner: Scanner, position: number): number {
  ESCAPE.lastIndex = position;
  if (ESCAPE.test(scanner.text)) return ESCAPE.lastIndex;
  scanner.position = position;
  fail(scanner, 'this is no escape, or half a surrogate pair');
}

/** Refuses what stands at the position.
 *  @throws json-syntax */
export function fail(scanner: Scanner, rule: string): never {
  const { text, position } = scanner;
  const character = String.fromCodePoint(text.codePointAt(position) ?? 0);
  const found = position < text.length ? quote(character) : 'the end';
  failAt(scanner, 'json-syntax', `${rule}, but ${found} was found.`, { found });
}

/** Refuses the text with a code of the caller's.
 *  @param what one sentence @param details `expected` and `found` */
export function failAt(
  scanner: Scanner,
  code: ErrorCode,
  what: string,
  details: Partial<ErrorDetails>,
): never {
  throw new BaichuanError(code, {
    file: scanner.options.file,
    where: placeOf(scanner, scanner.position),
    what,
    fix: 'Correct the file there, or download it again.',
    ...details,
  });
}

/** The place of a character: line and column from 1, byte from the start of the file, pointer. */
function placeOf(scanner: Scanner, position: number): string {
  const { text } = scanner;
  let line = 1;
  let lineStart = 0;
  for (;;) {
    const end = text.indexOf('\n', lineStart);
    if (end < 0 || end >= position) break;
    line += 1;
    lineStart = end + 1;
  }
  const column = position - lineStart + 1;
  const pointer = scanner.path.length > 0 ? `, in ${jsonPointer(scanner.path)}` : '';
  return `line ${line}, column ${column}, byte ${byteOffsetOf(scanner, position)}${pointer}`;
}

/** Bytes from the start of the file to a character. */
export function byteOffsetOf(scanner: Scanner, position: number): number {
  const before = new TextEncoder().encode(scanner.text.slice(0, position));
  return (scanner.options.byteOffset ?? 0) + before.length;
}

/** A JSON pointer (RFC 6901), safe to print: control characters escaped, long keys cut. */
export function jsonPointer(path: readonly (string | number)[]): string {
  return path.map((step) => `/${pointerStep(step)}`).join('');
}

/** Longer than what `quote` shows. */
const MAX_STEP = 256;

function pointerStep(step: string | number): string {
  if (typeof step === 'number') return String(step);
  // More is not shown: a key of megabytes is cut before it is escaped.
  const shown = step.slice(0, MAX_STEP);
  return quote(shown.replaceAll('~', '~0').replaceAll('/', '~1')).slice(1, -1);
}
