/** The state of the pickle interpreter: the bytes, the stack with its marks, the memo; and how it
 *  refuses. A pickle is a program for a stack machine; the one here can build plain data only.
 *  Source: CPython, Lib/pickletools.py; PyTorch, torch/_weights_only_unpickler.py. */
import { BaichuanError, type ErrorCode } from '../../errors.ts';
import { firstInvalidUtf8 } from '../../utf-8.ts';
import { OPCODE_NAMES } from './pickle-opcodes.ts';
import type { PickleGlobal, PickleTuple, PickleValue } from './pickle-values.ts';

/** What the interpreter does not decide by itself. Each may refuse with `machine.error`. */
export interface PickleHooks {
  /** A name that the pickle imports. */
  resolve(module: string, name: string, machine: PickleMachine): PickleGlobal;
  /** A call of such a name. */
  call(callee: PickleGlobal, argumentsOf: PickleTuple, machine: PickleMachine): PickleValue;
  /** An object that is kept outside the pickle. */
  persistent(id: PickleValue, machine: PickleMachine): PickleValue;
}

/** What can be said about a fault. */
export interface PickleFault {
  readonly what: string;
  readonly fix?: string;
  readonly expected?: string | number;
  readonly found?: string | number;
}

const MAX_STACK = 1_000_000;
const MAX_MEMO = 4_000_000;
const MEMO_PAGE = 4096;
const MAX_OUT_OF_TURN = 1_000_000;
const MAX_ITEMS = 4_000_000;

/** As many as 100,000 tensors need, each with a dict of hooks and one of versions, and two that
 *  hold them. An empty dict is one byte of the pickle, but 200 of memory. */
const MAX_CONTAINERS = 300_002;

/** One more than a state dict may hold, which says so itself. */
const MAX_TENSORS = 100_001;

const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

const FIX = 'Download the file again and compare its sha256, or write it anew with torch.save.';

/** The interpreter between two opcodes. */
export class PickleMachine {
  readonly bytes: Uint8Array;
  readonly file: string;
  readonly hooks: PickleHooks;
  /** The next byte to be read, and the opcode that is being carried out. */
  at = 0;
  opcodeAt = 0;
  private readonly view: DataView;
  private readonly stack: PickleValue[] = [];
  private readonly marks: number[] = [];
  /** The memo: picklers count up from 0, and numbers out of turn are kept apart. In pages, because
   *  one long array would be copied, and the copy left as garbage, every time that it grows. */
  private readonly memo: PickleValue[][] = [];
  private memoLength = 0;
  private readonly memoOutOfTurn = new Map<number, PickleValue>();
  private items = 0;
  private containers = 0;
  private tensors = 0;

  /** @param file the archive, for messages */
  constructor(bytes: Uint8Array, file: string, hooks: PickleHooks) {
    this.bytes = bytes;
    this.file = file;
    this.hooks = hooks;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The error about the current opcode. */
  error(code: ErrorCode, { what, fix = FIX, ...rest }: PickleFault): BaichuanError {
    const opcode = this.bytes[this.opcodeAt];
    const name = OPCODE_NAMES.get(opcode) ?? 'unknown opcode';
    const where = `data.pkl, byte ${this.opcodeAt} (${name})`;
    return new BaichuanError(code, { file: this.file, where, what, fix, ...rest });
  }

  /** Moves over the next bytes. @returns where they begin @throws pickle-syntax, pickle-length */
  skip(byteLength: number, code: ErrorCode = 'pickle-syntax'): number {
    const begin = this.at;
    this.expectLeft(byteLength, code);
    this.at += byteLength;
    return begin;
  }

  /** Checks that so many bytes follow. @throws pickle-syntax, pickle-length */
  expectLeft(byteLength: number, code: ErrorCode): void {
    const left = this.bytes.length - this.at;
    if (byteLength <= left) return;
    const what = `${byteLength} bytes should follow, but the pickle has only ${left} left.`;
    throw this.error(code, { what, expected: byteLength, found: left });
  }

  uint8(): number {
    return this.bytes[this.skip(1)];
  }

  uint16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  /** Rounded from 2^53 on, which is more than any pickle has. */
  uint64(): number {
    return Number(this.view.getBigUint64(this.skip(8), true));
  }

  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  /** The only number of a pickle that is big-endian. */
  float64(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  /** A text of UTF-8. @throws pickle-syntax, pickle-length */
  text(byteLength: number): string {
    const begin = this.skip(byteLength, 'pickle-length');
    const bytes = this.bytes.subarray(begin, begin + byteLength);
    const invalid = firstInvalidUtf8(bytes);
    if (invalid >= 0) {
      const what = `the text is not UTF-8 at byte ${begin + invalid}.`;
      throw this.error('pickle-syntax', { what });
    }
    return DECODER.decode(bytes);
  }

  /** How many values there are, those below marks included. */
  get depth(): number {
    return this.stack.length;
  }

  get openMarks(): number {
    return this.marks.length;
  }

  push(value: PickleValue): void {
    if (this.stack.length >= MAX_STACK) throw this.limitError('stack', MAX_STACK);
    this.stack.push(value);
  }

  /** Takes the top value. @throws pickle-stack when there is none since the last mark */
  pop(): PickleValue {
    this.top();
    return this.stack.pop() ?? null;
  }

  /** The top value, left where it is. @throws pickle-stack */
  top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) {
      throw this.error('pickle-stack', { what: 'it needs a value, but the stack has none.' });
    }
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    if (this.marks.length >= MAX_STACK) throw this.limitError('stack of marks', MAX_STACK);
    this.marks.push(this.stack.length);
  }

  /** Takes all values since the last mark, and the mark. @throws pickle-stack */
  popMark(): PickleValue[] {
    const begin = this.marks.pop();
    if (begin === undefined) {
      throw this.error('pickle-stack', { what: 'it needs a mark, but there is none.' });
    }
    return this.stack.splice(begin);
  }

  remember(index: number): void {
    const value = this.top();
    if (index < this.memoLength) {
      this.memo[Math.floor(index / MEMO_PAGE)][index % MEMO_PAGE] = value;
    } else if (index === this.memoLength) {
      if (index >= MAX_MEMO) throw this.limitError('memo', MAX_MEMO);
      if (index % MEMO_PAGE === 0) this.memo.push([]);
      this.memo[this.memo.length - 1].push(value);
      this.memoLength += 1;
      this.memoOutOfTurn.delete(index);
    } else {
      const count = this.memoOutOfTurn.size;
      if (count >= MAX_OUT_OF_TURN) throw this.limitError('memo out of turn', MAX_OUT_OF_TURN);
      this.memoOutOfTurn.set(index, value);
    }
  }

  /** Remembers the top value under the count of those that are remembered, as MEMOIZE says. */
  rememberNext(): void {
    this.remember(this.memoLength + this.memoOutOfTurn.size);
  }

  /** A remembered value. @throws pickle-stack */
  recall(index: number): PickleValue {
    const value =
      index < this.memoLength
        ? this.memo[Math.floor(index / MEMO_PAGE)][index % MEMO_PAGE]
        : this.memoOutOfTurn.get(index);
    if (value !== undefined) return value;
    const what = `it recalls the value ${index} of the memo, which was never stored.`;
    throw this.error('pickle-stack', { what, found: index });
  }

  /** Counts what containers hold, all of them together. @throws pickle-limit */
  countItems(count: number): void {
    this.items += count;
    if (this.items > MAX_ITEMS) throw this.limitError('number of items', MAX_ITEMS);
  }

  /** Counts a list or a dict before it is made. @throws pickle-limit */
  countContainer(): void {
    this.containers += 1;
    if (this.containers > MAX_CONTAINERS)
      throw this.limitError('number of containers', MAX_CONTAINERS);
  }

  /** Counts a tensor before it is made. @throws pickle-limit */
  countTensor(): void {
    this.tensors += 1;
    if (this.tensors > MAX_TENSORS) throw this.limitError('number of tensors', MAX_TENSORS);
  }

  private limitError(name: string, limit: number): BaichuanError {
    const what = `the ${name} grows beyond ${limit}.`;
    const fix = 'Do not use this file: no state dict needs as many.';
    return this.error('pickle-limit', { what, fix, expected: limit });
  }
}
