/** JSON texts with marks: scalars as numbers, strings as texts, brackets as tags, members and
 *  elements (with the comma behind them) as records. */
import fc from 'fast-check';
import { type Marked, MarkedWriter } from './marked.ts';

/** A value; a Map is an object, so that no key is special. */
export type Json = null | boolean | number | string | readonly Json[] | ReadonlyMap<string, Json>;

/** An object of what is not undefined. */
export function jsonObject(members: Readonly<Record<string, Json | undefined>>): Json {
  const given = Object.entries(members).filter((entry) => entry[1] !== undefined);
  return new Map(given as [string, Json][]);
}

/** Writes a text. @param space is put after every comma and colon */
export function markedJson(value: Json, space = ''): Marked {
  const writer = new MarkedWriter();
  writeValue(writer, value, space);
  return writer.done();
}

function writeValue(writer: MarkedWriter, value: Json, space: string): void {
  if (typeof value === 'string') writeString(writer, value);
  else if (value instanceof Map) {
    const members = [...value];
    writeList(writer, '{}', members, space, ([key, member]) => {
      writeString(writer, key);
      writer.tag(1, 0x3a).raw(encoder.encode(space));
      writeValue(writer, member, space);
    });
  } else if (Array.isArray(value)) {
    writeList(writer, '[]', value, space, (item) => writeValue(writer, item, space));
  } else writer.decimal(JSON.stringify(value));
}

const encoder = new TextEncoder();

function writeString(writer: MarkedWriter, text: string): void {
  const escaped = encoder.encode(JSON.stringify(text).slice(1, -1));
  writer.tag(1, 0x22).text(escaped).tag(1, 0x22);
}

function writeList<T>(
  writer: MarkedWriter,
  [open, close]: string,
  items: readonly T[],
  space: string,
  write: (item: T) => void,
): void {
  writer.tag(1, open.charCodeAt(0));
  items.forEach((item, index) => {
    writer.record(() => {
      write(item);
      if (index < items.length - 1) writer.tag(1, 0x2c).raw(encoder.encode(space));
    });
  });
  writer.tag(1, close.charCodeAt(0));
}

/** Numbers at which checks break, among them those that a double does not hold. */
export const edgeNumber: fc.Arbitrary<number> = fc.constantFrom(
  ...[0, 1, -1, -0, 2, 0.5, 1e-30, 1e30, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 2 ** 64, 1e308],
);

const anyKey: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', '', '0', '~/') },
);

/** Any value: small, and sometimes with keys that careless code takes for its own. */
export const anyJson: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 2, arbitrary: fc.constantFrom<Json>(null, true, false) },
    { weight: 2, arbitrary: fc.oneof(fc.integer(), fc.double({ noNaN: true }).map(finite)) },
    { weight: 1, arbitrary: edgeNumber },
    { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 4 }) },
    {
      weight: 3,
      arbitrary: fc
        .array(fc.tuple(anyKey, tie('value')), { maxLength: 4 })
        .map((members): Json => new Map(members)),
    },
  ),
})).value;

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

/** Mostly a right value, sometimes any other. */
export function mostly(arbitrary: fc.Arbitrary<Json>, weight = 24): fc.Arbitrary<Json> {
  return fc.oneof({ weight, arbitrary }, { weight: 1, arbitrary: fc.oneof(edgeNumber, anyJson) });
}
