/** Pickles of protocols 2 to 5, assembled by hand: what a value would be pickled as, and single
 *  opcodes for pickles that no pickler writes. Source: CPython, Lib/pickletools.py. */
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

/** A writer that puts texts and names as a protocol does. From 4 on texts are short and remembered,
 *  and names are texts of the stack. */
class PickleWriter extends MarkedWriter {
  readonly protocol: number;
  /** What is remembered → its number in the memo. */
  readonly memo = new Map<string, number>();
  memoLength = 0;

  constructor(protocol: number) {
    super();
    this.protocol = protocol;
  }
}

/** A whole pickle: PROTO, from protocol 4 on a FRAME, the value, STOP. */
export function pickle(value: Code, protocol = 2): Marked {
  const writer = new PickleWriter(protocol);
  write(writer, value);
  const body = writer.tag(1, 0x2e).done();
  const whole = new MarkedWriter().tag(1, 0x80).number(1, protocol);
  if (protocol >= 4) whole.tag(1, 0x95).number(8, body.bytes.length);
  return whole.marked(body).done();
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

function write(writer: PickleWriter, value: Code): void {
  if (value === null) writer.tag(1, 0x4e);
  else if (typeof value === 'boolean') writer.tag(1, value ? 0x88 : 0x89);
  else if (typeof value === 'string') writeText(writer, value);
  else if (typeof value === 'object') writeObject(writer, value);
  else writeNumber(writer, value);
}

function writeText(writer: PickleWriter, text: string): void {
  if (writer.protocol >= 4) {
    remembered(writer, `text ${text}`, () => shortText(writer, text));
    return;
  }
  const bytes = utf8(text);
  writer.tag(1, 0x58).number(4, bytes.length).text(bytes);
}

/** SHORT_BINUNICODE, or BINUNICODE8, which picklers write for texts of 4 GiB. */
function shortText(writer: PickleWriter, text: string): void {
  const bytes = utf8(text);
  const isShort = bytes.length < 256;
  writer.tag(1, isShort ? 0x8c : 0x8d).number(isShort ? 1 : 8, bytes.length);
  writer.text(bytes);
}

/** What is written with MEMOIZE the first time, and with BINGET from then on. */
function remembered(writer: PickleWriter, key: string, put: () => void): void {
  const known = writer.memo.get(key);
  if (known !== undefined && known < 256) {
    writer.tag(1, 0x68).number(1, known);
    return;
  }
  put();
  writer.tag(1, 0x94);
  writer.memo.set(key, writer.memoLength++);
}

function writeGlobal(writer: PickleWriter, names: readonly [string, string]): void {
  if (writer.protocol < 4) {
    writer.tag(1, 0x63).text(utf8(`${names.join('\n')}\n`));
    return;
  }
  remembered(writer, `name ${names.join('.')}`, () => {
    for (const name of names) writeText(writer, name);
    writer.tag(1, 0x93);
  });
}

function writeNumber(writer: PickleWriter, value: number | bigint): void {
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
  writer: PickleWriter,
  value: Exclude<Code, null | string | number | bigint | boolean>,
) {
  if ('raw' in value) writer.raw(value.raw);
  else if ('tuple' in value) writeTuple(writer, value.tuple);
  else if ('list' in value) writeList(writer, value.list);
  else if ('global' in value) writeGlobal(writer, value.global);
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
function after(writer: PickleWriter, opcode: number, ...values: Code[]): void {
  for (const value of values) write(writer, value);
  writer.tag(1, opcode);
}

function writeTuple(writer: PickleWriter, items: readonly Code[]): void {
  if (items.length > 3) writer.tag(1, 0x28);
  for (const item of items) write(writer, item);
  writer.tag(1, [0x29, 0x85, 0x86, 0x87][items.length] ?? 0x74);
}

function writeList(writer: PickleWriter, items: readonly Code[]): void {
  writer.tag(1, 0x5d).tag(1, 0x28);
  for (const item of items) write(writer, item);
  writer.tag(1, 0x65);
}

function writeItems(writer: PickleWriter, items: readonly (readonly [Code, Code])[]): void {
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
