/** What every refusal of bad input must be, whatever the reader: the invariants I1 to I8.
 *
 *  I1  a `BaichuanError`, never another exception      I5  the same error the second time
 *  I2  in time                                         I6  the caller repeats it per kind of source
 *  I3  what is left in memory bounded; the peak is     I7  differential specs check what opens
 *      measured in spec/peak-memory.spec.ts
 *  I4  opens nothing that was not allowed (the caller counts opens)
 *  I8  no prototype changed, printable messages, a remedy */
import * as assert from 'uvu/assert';
import { BaichuanError, type ErrorCode } from '../../src/errors.ts';

export interface ExpectedRefusal {
  code: ErrorCode;
  /** Text or pattern in the place: JSON pointer, tensor name, byte. */
  where?: string | RegExp;
  /** Text or pattern in the message, or several of them. */
  message?: string | RegExp | readonly (string | RegExp)[];
  /** Text or pattern in the remedy. */
  fix?: string | RegExp;
  /** The file that the error must name. */
  file?: string;
  expected?: string | number;
  found?: string | number;
  /** Longest processor time in milliseconds; 1000 unless told. */
  withinMs?: number;
  /** Largest growth of heap and array buffers from before the refusal to after it, in bytes; 64 MiB
   *  unless told. */
  withinBytes?: number;
}

/** A page does not tell processor time: other programs on the machine count there. */
const PATIENCE = typeof process === 'undefined' ? 10 : 1;

/** Bytes of memory that a refusal may leave behind (I3), garbage not yet collected included. */
const MEMORY_BYTES = 64 * 2 ** 20;

/** How often an action is tried until it keeps its bounds: neighbours slow a machine down, and
 *  garbage of earlier work is not its own. */
const MOST_ATTEMPTS = 4;

/** Runs an action that must be refused, at least twice, and checks the error and the invariants.
 *  @returns the error, for further assertions */
export async function expectRefusal(
  action: () => unknown,
  expected: ExpectedRefusal,
): Promise<BaichuanError> {
  const prototypes = prototypeKeys();
  const { error, ...first } = await measuredRefusal(action);
  assert.equal(prototypeKeys(), prototypes, 'I8: a prototype was changed');
  expectContract(error);
  expectMatch(error, expected);

  const { withinBytes = MEMORY_BYTES } = expected;
  const withinMs = (expected.withinMs ?? 1000) * PATIENCE;
  let { durationMs, grownBytes } = first;
  for (let attempt = 2; attempt <= MOST_ATTEMPTS; attempt++) {
    const again = await measuredRefusal(action);
    assert.is(again.error.message, error.message, 'I5: the second refusal reads otherwise');
    durationMs = Math.min(durationMs, again.durationMs);
    grownBytes = Math.min(grownBytes, again.grownBytes);
    if (durationMs <= withinMs && grownBytes <= withinBytes) break;
  }
  assert.ok(durationMs <= withinMs, `I2: refused in ${durationMs} ms, not within ${withinMs} ms`);
  assert.ok(grownBytes <= withinBytes, `I3: memory grew by ${grownBytes} bytes`);
  assert.equal(prototypeKeys(), prototypes, 'I8: a prototype was changed');
  return error;
}

async function measuredRefusal(action: () => unknown) {
  const bytesBefore = usedBytes();
  const started = processorMs();
  const error = await refusalOf(action);
  const durationMs = processorMs() - started;
  return { error, durationMs, grownBytes: usedBytes() - bytesBefore };
}

/** Waits for work that a signal ended: such an error has no place. */
export async function expectAborted(work: Promise<unknown>, what?: string): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  assert.is(error?.code, 'aborted', what);
}

/** The error contract: place or file, a remedy, and nothing that a terminal would act on. */
export function expectContract(error: BaichuanError): void {
  const { what, fix, file, where } = error;
  assert.ok(file !== undefined || where !== undefined, `${error.code} says no place`);
  assert.match(what, /\S.*[.)]$/s, `"${what}" is no sentence`);
  assert.match(fix, /^[A-Z].*\.$/s, `"${fix}" is no imperative sentence`);
  assert.ok(fix.length <= 200, `the remedy is ${fix.length} characters long`);
  assert.ok(!hasControlCharacter(error.message), 'a control character is printed raw');
  assert.ok(error.message.length <= 12_000, `the message is ${error.message.length} long`);
}

function expectMatch(error: BaichuanError, expected: ExpectedRefusal): void {
  const { message } = error;
  const { where, fix, file } = error;
  assert.is(error.code, expected.code, message);
  const parts = expected.message ?? [];
  for (const part of Array.isArray(parts) ? parts : [parts]) expectText(message, part, 'message');
  if (expected.where !== undefined) expectText(where ?? '', expected.where, 'place');
  if (expected.fix !== undefined) expectText(fix, expected.fix, 'remedy');
  if (expected.file !== undefined) assert.is(file, expected.file, 'the file');
  if (expected.expected !== undefined) assert.is(error.expected, expected.expected);
  if (expected.found !== undefined) assert.is(error.found, expected.found);
}

function expectText(text: string, part: string | RegExp, name: string): void {
  const matches = typeof part === 'string' ? text.includes(part) : part.test(text);
  assert.ok(matches, `the ${name} "${text}" lacks ${part}`);
}

/** I1: the action fails, and with a `BaichuanError`. */
async function refusalOf(action: () => unknown): Promise<BaichuanError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof BaichuanError) return error;
    throw new Error('I1: refused, but not with a BaichuanError', { cause: error });
  }
  throw new Error('the input was accepted, where a refusal was expected');
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
  });
}

/** The own keys of the prototypes that careless code changes (I8). */
export function prototypeKeys(): Record<string, string[]> {
  const prototypes = { Object, Array, Map, Set, String, Number, Function, Uint8Array, Promise };
  return Object.fromEntries(
    Object.entries(prototypes).map(([name, { prototype }]) => [
      name,
      Reflect.ownKeys(prototype).map(String),
    ]),
  );
}

/** Processor time where the runtime tells it, which a browser does not: other programs on the same
 *  machine do not count. */
export function processorMs(): number {
  if (typeof process === 'undefined') return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Bytes in use now, garbage included; of a peak between two calls it knows nothing, because the
 *  collector may have run. 0 in a browser, which does not tell. */
function usedBytes(): number {
  if (typeof process === 'undefined') return 0;
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(arrayBuffers, external);
}
