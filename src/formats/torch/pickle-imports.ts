/** The opcodes of a pickle that import a name: GLOBAL, with two lines of text after it, and
 *  STACK_GLOBAL, with two texts of the stack. Both ask the same hook, which knows an allow-list.
 *  Source: CPython, Lib/pickletools.py. */
import type { PickleMachine } from './pickle-machine.ts';
import { describeValue, type PickleValue } from './pickle-values.ts';

/** The longest module or attribute name that is read, in bytes. */
const MAX_NAME_BYTES = 512;

/** GLOBAL. @throws pickle-global, pickle-length, pickle-syntax */
export function importLines(machine: PickleMachine): void {
  const module = readLine(machine);
  const name = readLine(machine);
  machine.push(machine.hooks.resolve(module, name, machine));
}

/** STACK_GLOBAL. @throws pickle-global, pickle-length, pickle-stack, pickle-type */
export function importStacked(machine: PickleMachine): void {
  const name = expectName(machine, machine.pop());
  const module = expectName(machine, machine.pop());
  machine.push(machine.hooks.resolve(module, name, machine));
}

function readLine(machine: PickleMachine): string {
  const begin = machine.at;
  const end = machine.bytes.indexOf(0x0a, begin);
  const length = (end < 0 ? machine.bytes.length : end) - begin;
  expectNameLength(machine, length);
  if (end < 0) throw machine.error('pickle-syntax', { what: 'the name has no end.' });
  const text = machine.text(length);
  machine.skip(1);
  return text;
}

function expectName(machine: PickleMachine, value: PickleValue): string {
  if (typeof value !== 'string') {
    const found = describeValue(value);
    const what = `it needs a text to import, but ${found} is there.`;
    throw machine.error('pickle-type', { what, expected: 'a text', found });
  }
  // A text has at least as many bytes as UTF-16 units.
  expectNameLength(machine, value.length);
  return value;
}

function expectNameLength(machine: PickleMachine, length: number): void {
  if (length <= MAX_NAME_BYTES) return;
  const what = `the name has ${length} bytes or more, where at most ${MAX_NAME_BYTES} are read.`;
  throw machine.error('pickle-length', { what, expected: MAX_NAME_BYTES, found: length });
}
