/** The restricted pickle reader: an interpreter of the opcodes that `torch.save` writes for a state
 *  dict (protocols 2 to 5), and of no other. It can build numbers, texts, tuples, lists and
 *  dictionaries; what is imported, called or kept outside goes through hooks that know an
 *  allow-list.
 *
 *  Unpickling is execution: an unknown import is refused where it stands, before anything after it
 *  is looked at, and nothing is ever tried in another way. */
import { quote } from '../../errors.ts';
import { importLines, importStacked } from './pickle-imports.ts';
import { type PickleHooks, PickleMachine } from './pickle-machine.ts';
import { LENGTH_BYTES, OPCODE_NAMES } from './pickle-opcodes.ts';
import {
  describeValue,
  type PickleDict,
  type PickleKey,
  type PickleList,
  type PickleValue,
} from './pickle-values.ts';

/** `torch.save` writes 2 unless told otherwise. */
const [FIRST_PROTOCOL, LAST_PROTOCOL] = [2, 5];

const MAX_OPCODES = 50_000_000;

/** The longest integer that is read, in bytes; sizes of tensors need 8. */
const MAX_LONG_BYTES = 16;

const STOP = 0x2e;
const PROTO = 0x80;

/** Reads a pickle to its end.
 *  @param file the archive that it is in, for messages
 *  @throws pickle-global, -opcode, -syntax, -stack, -length, -limit, -type, torch-key, and what the
 *  hooks throw */
export function readPickle(bytes: Uint8Array, file: string, hooks: PickleHooks): PickleValue {
  const machine = new PickleMachine(bytes, file, hooks);
  readProtocol(machine);
  for (let count = 1; ; count++) {
    machine.opcodeAt = machine.at;
    if (count > MAX_OPCODES) {
      const what = `the pickle has more than ${MAX_OPCODES} opcodes.`;
      throw machine.error('pickle-limit', { what, expected: MAX_OPCODES });
    }
    if (machine.at >= bytes.length) {
      throw machine.error('pickle-syntax', { what: 'the pickle ends without STOP.' });
    }
    const opcode = bytes[machine.at++];
    if (opcode === STOP) return finish(machine);
    const carryOut = OPCODES[opcode];
    if (carryOut === undefined) throw refusedOpcode(machine, opcode);
    carryOut(machine);
  }
}

function readProtocol(machine: PickleMachine): void {
  if (machine.bytes[0] !== PROTO) {
    throw machine.error('pickle-syntax', { what: 'the pickle does not begin with PROTO.' });
  }
  machine.at = 1;
  const protocol = machine.uint8();
  if (protocol >= FIRST_PROTOCOL && protocol <= LAST_PROTOCOL) return;
  const expected = `${FIRST_PROTOCOL} to ${LAST_PROTOCOL}`;
  throw machine.error('pickle-opcode', {
    what: `the pickle has protocol ${protocol}, where ${expected} are read.`,
    fix: 'Write the file anew with torch.save, without pickle_protocol.',
    expected,
    found: protocol,
  });
}

function finish(machine: PickleMachine): PickleValue {
  const rest = machine.bytes.length - machine.at;
  if (rest > 0) {
    throw machine.error('pickle-syntax', { what: `${rest} bytes follow the end of the pickle.` });
  }
  if (machine.openMarks > 0 || machine.depth !== 1) {
    const what = `the pickle should end with one value, but has ${machine.depth}.`;
    throw machine.error('pickle-stack', { what, expected: 1, found: machine.depth });
  }
  return machine.pop();
}

function refusedOpcode(machine: PickleMachine, opcode: number) {
  const name = OPCODE_NAMES.get(opcode);
  const found = `0x${opcode.toString(16).padStart(2, '0')}`;
  if (name === undefined) {
    const what = `the byte ${found} is no opcode of a pickle.`;
    return machine.error('pickle-syntax', { what, found });
  }
  expectLength(machine, opcode);
  return machine.error('pickle-opcode', {
    what: `the opcode ${name} is not read: no state dict that torch.save writes needs it.`,
    fix: 'Save only the state dict, with torch.save(model.state_dict(), …).',
    found: name,
  });
}

/** An opcode that is not read may also announce more bytes than there are, which is worse. */
function expectLength(machine: PickleMachine, opcode: number): void {
  const lengthBytes = LENGTH_BYTES.get(opcode) ?? 0;
  const begin = machine.skip(lengthBytes);
  let length = 0;
  for (let i = lengthBytes - 1; i >= 0; i--) length = 256 * length + machine.bytes[begin + i];
  machine.skip(length, 'pickle-length');
}

/** The one that every pickle has: nothing can be put into a tuple. */
const EMPTY_TUPLE: PickleValue = { kind: 'tuple', items: [] };

type CarryOut = (machine: PickleMachine) => void;

/** What each opcode does, by its byte; nothing where it is refused. */
const OPCODES: (CarryOut | undefined)[] = [];

OPCODES[0x28] = (machine) => machine.mark();
OPCODES[0x29] = (machine) => machine.push(EMPTY_TUPLE);
OPCODES[0x47] = (machine) => machine.push(machine.float64());
OPCODES[0x4a] = (machine) => machine.push(machine.int32());
OPCODES[0x4b] = (machine) => machine.push(machine.uint8());
OPCODES[0x4d] = (machine) => machine.push(machine.uint16());
OPCODES[0x4e] = (machine) => machine.push(null);
OPCODES[0x51] = (machine) => machine.push(machine.hooks.persistent(machine.pop(), machine));
OPCODES[0x52] = reduce;
OPCODES[0x58] = (machine) => machine.push(machine.text(machine.uint32()));
OPCODES[0x5d] = (machine) => pushContainer(machine, { kind: 'list', items: [] });
OPCODES[0x61] = (machine) => append(machine, [machine.pop()]);
OPCODES[0x62] = build;
OPCODES[0x63] = importLines;
OPCODES[0x65] = (machine) => append(machine, machine.popMark());
OPCODES[0x68] = (machine) => machine.push(machine.recall(machine.uint8()));
OPCODES[0x6a] = (machine) => machine.push(machine.recall(machine.uint32()));
OPCODES[0x71] = (machine) => machine.remember(machine.uint8());
OPCODES[0x72] = (machine) => machine.remember(machine.uint32());
OPCODES[0x73] = (machine) => setItems(machine, popPair(machine));
OPCODES[0x74] = (machine) => pushTuple(machine, machine.popMark());
OPCODES[0x75] = (machine) => setItems(machine, machine.popMark());
OPCODES[0x7d] = (machine) =>
  pushContainer(machine, { kind: 'dict', isOrdered: false, entries: new Map() });
OPCODES[0x85] = (machine) => pushTuple(machine, [machine.pop()]);
OPCODES[0x86] = (machine) => pushTuple(machine, popPair(machine));
OPCODES[0x87] = (machine) => {
  const third = machine.pop();
  pushTuple(machine, [...popPair(machine), third]);
};
OPCODES[0x88] = (machine) => machine.push(true);
OPCODES[0x89] = (machine) => machine.push(false);
OPCODES[0x8a] = (machine) => machine.push(readLong(machine));
OPCODES[0x8c] = (machine) => machine.push(machine.text(machine.uint8()));
OPCODES[0x8d] = (machine) => machine.push(machine.text(machine.uint64()));
OPCODES[0x93] = importStacked;
OPCODES[0x94] = (machine) => machine.rememberNext();
// FRAME says how many bytes may be fetched at once, which are there already.
OPCODES[0x95] = (machine) => machine.expectLeft(machine.uint64(), 'pickle-length');

function popPair(machine: PickleMachine): PickleValue[] {
  const second = machine.pop();
  return [machine.pop(), second];
}

function pushContainer(machine: PickleMachine, container: PickleList | PickleDict): void {
  machine.countContainer();
  machine.push(container);
}

function pushTuple(machine: PickleMachine, items: PickleValue[]): void {
  machine.countItems(items.length);
  machine.push({ kind: 'tuple', items });
}

/** LONG1: an integer, little-endian, two's complement. */
function readLong(machine: PickleMachine): number | bigint {
  const byteLength = machine.uint8();
  if (byteLength > MAX_LONG_BYTES) {
    const what = `the integer has ${byteLength} bytes, where at most ${MAX_LONG_BYTES} are read.`;
    throw machine.error('pickle-length', { what, expected: MAX_LONG_BYTES, found: byteLength });
  }
  const begin = machine.skip(byteLength, 'pickle-length');
  let value = 0n;
  for (let i = byteLength - 1; i >= 0; i--) value = 256n * value + BigInt(machine.bytes[begin + i]);
  const signed = BigInt.asIntN(8 * byteLength, value);
  return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
}

function reduce(machine: PickleMachine): void {
  const argumentsOf = machine.pop();
  const callee = machine.pop();
  if (!isKind(callee, 'global') || !isKind(argumentsOf, 'tuple')) {
    const what = `it calls ${describeValue(callee)} with ${describeValue(argumentsOf)}.`;
    throw machine.error('pickle-type', { what, expected: 'a name and a tuple' });
  }
  machine.push(machine.hooks.call(callee, argumentsOf, machine));
}

/** BUILD sets attributes. The only one that a state dict has is `_metadata`, the versions of its
 *  modules, which change no weight. */
function build(machine: PickleMachine): void {
  const state = machine.pop();
  const target = machine.top();
  const keys = isKind(state, 'dict') ? [...state.entries.keys()] : undefined;
  const isMetadata = keys?.every((key) => key === '_metadata');
  if (isKind(target, 'dict') && target.isOrdered && isMetadata) return;
  const other = keys?.find((key) => key !== '_metadata');
  const attribute = other === undefined ? '' : ` (${quote(String(other))})`;
  throw machine.error('pickle-opcode', {
    what: `it sets attributes${attribute} of ${describeValue(target)} by ${describeValue(state)}.`,
    fix: 'Save only the state dict, with torch.save(model.state_dict(), …).',
    expected: '_metadata of an OrderedDict',
  });
}

function append(machine: PickleMachine, items: PickleValue[]): void {
  const list = machine.top();
  if (!isKind(list, 'list')) throw typeError(machine, 'a list', list);
  machine.countItems(items.length);
  for (const item of items) {
    expectOther(machine, list, item);
    list.items.push(item);
  }
}

/** @param items keys and values in turn */
function setItems(machine: PickleMachine, items: PickleValue[]): void {
  const dict = machine.top();
  if (!isKind(dict, 'dict')) throw typeError(machine, 'a dict', dict);
  if (items.length % 2 !== 0) {
    throw machine.error('pickle-stack', { what: 'a key of a dict is without value.' });
  }
  machine.countItems(items.length);
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i];
    if (typeof key === 'object' && key !== null) throw typeError(machine, 'a plain key', key);
    expectOther(machine, dict, items[i + 1]);
    if (dict.entries.has(key)) throw duplicateError(machine, key);
    dict.entries.set(key, items[i + 1]);
  }
}

function duplicateError(machine: PickleMachine, key: PickleKey) {
  return machine.error('torch-key', {
    what: `the key ${quote(String(key))} is set twice in one dict.`,
    fix: 'Write the file anew with one tensor of each name.',
    expected: 1,
    found: 2,
  });
}

function expectOther(machine: PickleMachine, container: PickleValue, item: PickleValue): void {
  if (item !== container) return;
  throw machine.error('pickle-stack', {
    what: `${describeValue(container)} is put into itself.`,
    fix: 'Do not use this file: no state dict holds itself.',
  });
}

function typeError(machine: PickleMachine, expected: string, found: PickleValue) {
  const what = `it needs ${expected}, but ${describeValue(found)} is there.`;
  return machine.error('pickle-type', { what, expected, found: describeValue(found) });
}

interface Kinds {
  dict: PickleDict;
  list: PickleList;
  tuple: Extract<PickleValue, { kind: 'tuple' }>;
  global: Extract<PickleValue, { kind: 'global' }>;
}

function isKind<K extends keyof Kinds>(value: PickleValue, kind: K): value is Kinds[K] {
  return typeof value === 'object' && value !== null && value.kind === kind;
}
