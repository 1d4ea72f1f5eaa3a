/** Structure-aware mutation: one to three edits of a valid file, drawn by weight. Numbers get the
 *  values at which parsers break; records are left out, doubled, exchanged; tags change; bits flip;
 *  the file is cut, extended, or spliced with another. */
import fc from 'fast-check';
import { type Field, type Marked, varintBytes } from './marked.ts';

/** One edit, as numbers that mean something in any file. */
export interface Edit {
  readonly what: 'number' | 'length' | 'record' | 'tag' | 'text' | 'bit' | 'splice';
  /** Chooses a place, a value and a way, each modulo what there is. */
  readonly place: number;
  readonly value: number;
  readonly way: number;
}

const WEIGHTS: [Edit['what'], number][] = [
  ['number', 35],
  ['length', 15],
  ['record', 15],
  ['tag', 10],
  ['text', 10],
  ['bit', 10],
  ['splice', 5],
];

const edit: fc.Arbitrary<Edit> = fc.record({
  what: fc.oneof(...WEIGHTS.map(([what, weight]) => ({ weight, arbitrary: fc.constant(what) }))),
  place: fc.nat(2 ** 30),
  value: fc.nat(2 ** 30),
  way: fc.nat(2 ** 30),
});

/** One to three edits. */
export const edits: fc.Arbitrary<Edit[]> = fc.array(edit, { minLength: 1, maxLength: 3 });

/** Applies edits to a file; fields keep their places where lengths change before them, so a later
 *  edit may hit anything. @param other the file to splice with */
export function mutate(file: Marked, changes: readonly Edit[], other: Marked): Uint8Array {
  let bytes = Uint8Array.from(file.bytes);
  for (const change of changes)
    bytes = Uint8Array.from(MUTATORS[change.what](bytes, change, file, other));
  return bytes;
}

type Mutator = (bytes: Uint8Array, edit: Edit, file: Marked, other: Marked) => Uint8Array;

const MUTATORS: Record<Edit['what'], Mutator> = {
  number: (bytes, change, file) => setNumber(bytes, change, file),
  length: changeLength,
  record: changeRecord,
  tag: (bytes, change, file) => setTag(bytes, change, file),
  text: (bytes, change, file) => setText(bytes, change, file),
  bit: flipBit,
  splice: (bytes, { place, value }, _, other) =>
    join(
      bytes.subarray(0, place % (bytes.length + 1)),
      other.bytes.subarray(value % (other.bytes.length + 1)),
    ),
};

function chosen(file: Marked, kind: Field['kind'], place: number): Field | undefined {
  const fields = file.fields.filter((field) => field.kind === kind);
  return fields[place % Math.max(1, fields.length)];
}

/** What else may stand in the place of a number in a JSON text. */
const LITERALS = [
  ...[
    '-0',
    '1.5',
    '-2.5e3',
    '1e3',
    '1e999',
    '-1e999',
    '1E-400',
    '0.1',
    '00',
    '07',
    '1.',
    '.5',
    '+1',
  ],
  ...['NaN', 'Infinity', 'null', 'true', 'false', '""', '"4"', '[]', '{}', '[0]', '-', ''],
];

function setNumber(bytes: Uint8Array, { place, value, way }: Edit, file: Marked): Uint8Array {
  const field = chosen(file, 'number', place);
  if (field === undefined || field.at + field.size > bytes.length) return bytes;
  const { at, size, coding } = field;
  const old = readNumber(bytes, field);
  const left = BigInt(bytes.length - at - size);
  const values = [
    ...[0n, 1n, -1n, old + 1n, old - 1n, 2n * old],
    ...[2n ** 15n, 2n ** 16n - 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n],
    ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n],
    ...[left, left + 1n, left - 1n, BigInt(bytes.length), BigInt(value), BigInt(value % 256)],
  ];
  const number = values[way % values.length];
  if (coding === undefined) return writeNumber(bytes, field, number);
  const spelt =
    coding === 'varint' ? spellVarint(number, size, value) : spellDecimal(number, value);
  return join(bytes.subarray(0, at), spelt, bytes.subarray(at + size));
}

/** In as many bytes as before half of the time, so that the lengths around it stay right. */
function spellVarint(number: bigint, size: number, value: number): Uint8Array {
  const isKept = value % 2 === 0;
  return varintBytes(isKept ? BigInt.asUintN(7 * size, number) : number, isKept ? size : 1);
}

function spellDecimal(number: bigint, value: number): Uint8Array {
  const text = value % 3 === 0 ? LITERALS[value % LITERALS.length] : String(number);
  return new TextEncoder().encode(text);
}

function readNumber(bytes: Uint8Array, { at, size, coding }: Field): bigint {
  const digits = bytes.subarray(at, at + size);
  if (coding === 'decimal') {
    const text = String.fromCharCode(...digits);
    return /^-?\d+$/.test(text) ? BigInt(text) : 0n;
  }
  const [base, mask] = coding === 'varint' ? [128n, 127] : [256n, 255];
  return digits.reduceRight((sum, byte) => base * sum + BigInt(byte & mask), 0n);
}

function writeNumber(bytes: Uint8Array, { at, size }: Field, value: bigint): Uint8Array {
  let rest = BigInt.asUintN(8 * size, value);
  for (let index = at; index < at + size; index++, rest >>= 8n) bytes[index] = Number(rest & 255n);
  return bytes;
}

function changeLength(bytes: Uint8Array, { place, value, way }: Edit): Uint8Array {
  const at = place % (bytes.length + 1);
  if (way % 3 === 0) return bytes.subarray(0, at);
  const extra = Uint8Array.from({ length: 1 + (value % 40) }, (_, i) => (value >> (i % 24)) & 255);
  if (way % 3 === 1) return join(bytes, extra);
  return join(bytes.subarray(0, at), extra, bytes.subarray(at));
}

function changeRecord(bytes: Uint8Array, { place, value, way }: Edit, { records }: Marked) {
  if (records.length === 0) return bytes;
  const first = records[place % records.length];
  const second = records[value % records.length];
  const part = ({ at, size }: { at: number; size: number }) => bytes.subarray(at, at + size);
  const [before, after] = [bytes.subarray(0, first.at), bytes.subarray(first.at + first.size)];
  if (way % 4 === 0) return join(before, after);
  if (way % 4 === 1) return join(before, part(first), part(first), after);
  if (way % 4 === 2) return join(before, part(second), after);
  const [low, high] = first.at <= second.at ? [first, second] : [second, first];
  if (low.at + low.size > high.at) return bytes;
  const between = bytes.subarray(low.at + low.size, high.at);
  const rest = bytes.subarray(high.at + high.size);
  return join(bytes.subarray(0, low.at), part(high), between, part(low), rest);
}

function setTag(bytes: Uint8Array, { place, value, way }: Edit, file: Marked): Uint8Array {
  const field = chosen(file, 'tag', place);
  if (field === undefined || field.at + field.size > bytes.length) return bytes;
  const other = chosen(file, 'tag', value) ?? field;
  const isKnown = way % 2 === 0 && other.size === field.size;
  const tag =
    isKnown && other.at + other.size <= bytes.length ? readNumber(bytes, other) : BigInt(value);
  return writeNumber(bytes, field, tag);
}

const TEXTS = [
  ...['', '../x', '/a', 'a\\b', '__proto__', 'é', '\0', 'data.pkl', 'x'.repeat(600)],
  ...['constructor', '"', '\\', '\\u0000', '\\ud83d', '\\ud83d\\ude00', '\ufeff', '\u202e', '世界'],
];

function setText(bytes: Uint8Array, { place, value, way }: Edit, file: Marked): Uint8Array {
  const field = chosen(file, 'text', place);
  if (field === undefined) return bytes;
  const { at, size } = field;
  const other = chosen(file, 'text', value) ?? field;
  const texts = [
    ...TEXTS.map((text) => new TextEncoder().encode(text)),
    bytes.slice(other.at, other.at + other.size),
  ];
  const text = texts[way % texts.length];
  // Of the same length half of the time, so that what follows keeps its meaning.
  const same = Uint8Array.from(
    { length: size },
    (_, index) => text[index % (text.length || 1)] ?? 46,
  );
  return join(bytes.subarray(0, at), value % 2 === 0 ? same : text, bytes.subarray(at + size));
}

function flipBit(bytes: Uint8Array, { place, value, way }: Edit): Uint8Array {
  if (bytes.length === 0) return bytes;
  const at = place % bytes.length;
  bytes[at] = way % 2 === 0 ? bytes[at] ^ (1 << (value % 8)) : value % 256;
  return bytes;
}

function join(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
