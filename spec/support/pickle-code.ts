/** Pickles of protocol 2, assembled by hand: what a value would be pickled as, and single opcodes
 *  for pickles that no pickler writes. Source: CPython, Lib/pickletools.py. */
import { type Marked, MarkedWriter } from './fuzz/marked.ts';
import { joinBytes, utf8 } from './model-files.ts';

/** A value to be pickled. */
export type Code =
  | null
  | boolean
  | number
  | bigint
  | string
  | { tuple: readonly Code[] }
  | { list: readonly Code[] }
  | { dict: readonly (readonly [Code, Code])[] }
  | { global: readonly [module: string, name: string] }
  | { call: Code; with: readonly Code[] }
  | { persistent: Code }
  | { build: Code; state: Code }
  | { set: Code; items: readonly (readonly [Code, Code])[] }
  | { raw: Uint8Array };

/** An empty OrderedDict, which is made by a call. */
export const ORDERED_DICT: Code = { call: { global: ['collections', 'OrderedDict'] }, with: [] };

/** An OrderedDict of items. */
export function orderedDict(items: readonly (readonly [Code, Code])[]): Code {
  return { set: ORDERED_DICT, items };
}

/** A whole pickle: PROTO 2, the value, STOP. */
export function pickle(value: Code): Marked {
  const writer = new MarkedWriter();
  writer.tag(1, 0x80).number(1, 2);
  write(writer, value);
  return writer.tag(1, 0x2e).done();
}

/** Opcodes between PROTO 2 and STOP: numbers are bytes, texts are their bytes. */
export function rawPickle(...parts: (number | string | Uint8Array)[]): Uint8Array {
  return joinBytes(Uint8Array.from([0x80, 2]), code(...parts), Uint8Array.from([0x2e]));
}

/** Opcodes alone. */
export function code(...parts: (number | string | Uint8Array)[]): Uint8Array {
  return joinBytes(
    ...parts.map((part) => {
      if (typeof part === 'number') return Uint8Array.from([part]);
      return typeof part === 'string' ? utf8(part) : part;
    }),
  );
}

function write(writer: MarkedWriter, value: Code): void {
  if (value === null) writer.tag(1, 0x4e);
  else if (typeof value === 'boolean') writer.tag(1, value ? 0x88 : 0x89);
  else if (typeof value === 'string') writeText(writer, value);
  else if (typeof value === 'object') writeObject(writer, value);
  else writeNumber(writer, value);
}

function writeText(writer: MarkedWriter, text: string): void {
  const bytes = utf8(text);
  writer.tag(1, 0x58).number(4, bytes.length).text(bytes);
}

function writeNumber(writer: MarkedWriter, value: number | bigint): void {
  const fits = (low: number, high: number) => value >= low && value <= high;
  if (typeof value === 'number' && !Number.isInteger(value)) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value);
    writer.tag(1, 0x47).raw(bytes);
  } else if (fits(0, 255)) writer.tag(1, 0x4b).number(1, value);
  else if (fits(0, 65535)) writer.tag(1, 0x4d).number(2, value);
  else if (fits(-(2 ** 31), 2 ** 31 - 1)) writer.tag(1, 0x4a).number(4, value);
  else {
    const size = BigInt(value) >= -(2n ** 63n) && BigInt(value) < 2n ** 63n ? 8 : 16;
    writer.tag(1, 0x8a).number(1, size).number(size, value);
  }
}

function writeObject(
  writer: MarkedWriter,
  value: Exclude<Code, null | string | number | bigint | boolean>,
) {
  if ('raw' in value) writer.raw(value.raw);
  else if ('tuple' in value) writeTuple(writer, value.tuple);
  else if ('list' in value) writeList(writer, value.list);
  else if ('global' in value) writer.tag(1, 0x63).text(utf8(`${value.global.join('\n')}\n`));
  else if ('persistent' in value) after(writer, 0x51, value.persistent);
  else if ('call' in value) after(writer, 0x52, value.call, { tuple: value.with });
  else if ('build' in value) after(writer, 0x62, value.build, value.state);
  else if ('set' in value) {
    write(writer, value.set);
    writeItems(writer, value.items);
  } else {
    writer.tag(1, 0x7d);
    writeItems(writer, value.dict);
  }
}

/** Values, then an opcode. */
function after(writer: MarkedWriter, opcode: number, ...values: Code[]): void {
  for (const value of values) write(writer, value);
  writer.tag(1, opcode);
}

function writeTuple(writer: MarkedWriter, items: readonly Code[]): void {
  if (items.length > 3) writer.tag(1, 0x28);
  for (const item of items) write(writer, item);
  writer.tag(1, [0x29, 0x85, 0x86, 0x87][items.length] ?? 0x74);
}

function writeList(writer: MarkedWriter, items: readonly Code[]): void {
  writer.tag(1, 0x5d).tag(1, 0x28);
  for (const item of items) write(writer, item);
  writer.tag(1, 0x65);
}

function writeItems(writer: MarkedWriter, items: readonly (readonly [Code, Code])[]): void {
  if (items.length === 0) return;
  writer.tag(1, 0x28);
  for (const [key, value] of items) {
    writer.record(() => {
      write(writer, key);
      write(writer, value);
    });
  }
  writer.tag(1, 0x75);
}
