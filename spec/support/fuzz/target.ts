/** What a fuzzer runs: files made by an arbitrary, each opened and held to the invariants. Specs
 *  run some thousands of each target, `npm run fuzz` runs millions. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../../src/errors.ts';
import { type ByteSource, blobSource, bufferSource } from '../../../src/formats/byte-source.ts';
import { expectContract, processorMs, prototypeKeys } from '../refusal.ts';

export interface FuzzTarget {
  readonly name: string;
  readonly cases: fc.Arbitrary<Uint8Array>;
  /** Opens a file and reads what is in it. Given a size of blocks it reads in blocks of that size,
   *  or from another kind of source. What it gives back is compared by value. */
  open(bytes: Uint8Array, blockBytes: number | undefined): Promise<unknown>;
  /** Checks what was accepted against another reader (I7). */
  expectSame?(bytes: Uint8Array, opened: unknown): Promise<void>;
}

/** How cases ended. */
export interface Tally {
  accepted: number;
  /** Refusals by code. */
  readonly refused: Map<string, number>;
}

export function emptyTally(): Tally {
  return { accepted: 0, refused: new Map() };
}

/** The longest processor time of one case, in milliseconds: no case may hang (I2). */
const CASE_MS = 2000;

/** Opens one file and holds it to the invariants. Other programs on the machine cost a case no
 *  processor time. */
export async function expectInvariants(
  target: FuzzTarget,
  bytes: Uint8Array,
  tally: Tally,
): Promise<void> {
  const file = Uint8Array.from(bytes);
  let started = processorMs();
  let outcome = await outcomeOf(target, file, undefined);
  const again = await outcomeOf(target, file, 7);
  let durationMs = processorMs() - started;
  // A case that is slow is so every time.
  for (let attempt = 1; attempt <= 3 && durationMs >= CASE_MS; attempt++) {
    started = processorMs();
    outcome = await outcomeOf(target, file, undefined);
    durationMs = Math.min(durationMs, processorMs() - started);
  }
  assert.ok(durationMs < CASE_MS, `I2: ${durationMs} ms of processor time`);
  assert.equal(again, outcome, 'I5, I6: the same in other blocks and from other sources');
  assert.ok(isSame(file, bytes), 'the file in memory was changed');
  if (outcome.code !== undefined) {
    tally.refused.set(outcome.code, (tally.refused.get(outcome.code) ?? 0) + 1);
    return;
  }
  tally.accepted += 1;
  await target.expectSame?.(bytes, outcome.opened);
}

/** The property that `fuzz` and `npm run fuzz` check. @param begin is called before each case */
export function propertyOf(target: FuzzTarget, tally: Tally, begin: () => void = () => {}) {
  return fc.asyncProperty(target.cases, async (bytes) => {
    begin();
    await expectInvariants(target, bytes, tally);
  });
}

/** Runs a target. @returns how often it accepted, and refused with which code */
export async function fuzz(
  target: FuzzTarget,
  parameters: fc.Parameters<[Uint8Array]>,
): Promise<Tally> {
  const tally = emptyTally();
  const prototypes = prototypeKeys();
  await fc.assert(propertyOf(target, tally), parameters);
  assert.equal(prototypeKeys(), prototypes, 'I8: a prototype was changed');
  return tally;
}

/** The bytes as a source: a buffer; given a size of blocks, a source that lies inside other bytes
 *  and answers late, or, for one file in sixteen, a Blob. */
export function fuzzSource(
  name: string,
  bytes: Uint8Array,
  blockBytes: number | undefined,
): ByteSource {
  if (blockBytes === undefined) return bufferSource(name, bytes);
  if (bytes.length % 16 === 0) return blobSource(name, new Blob([Uint8Array.from(bytes)]));
  const inner = bufferSource(name, bytes);
  return {
    name,
    size: bytes.length,
    async read(byteOffset, byteLength) {
      return displaced(await inner.read(byteOffset, byteLength));
    },
    close: () => inner.close(),
  };
}

/** A copy that does not begin where its memory begins, among bytes that are none of its own. */
export function displaced(bytes: Uint8Array): Uint8Array {
  const around = new Uint8Array(bytes.length + 24).fill(0x5a);
  around.set(bytes, 11);
  return around.subarray(11, 11 + bytes.length);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

async function outcomeOf(
  target: FuzzTarget,
  bytes: Uint8Array,
  blockBytes: number | undefined,
): Promise<{ code?: string; message?: string; opened?: unknown }> {
  try {
    return { opened: await target.open(bytes, blockBytes) };
  } catch (error) {
    if (!(error instanceof BaichuanError)) {
      throw new Error(`I1: no BaichuanError, but ${error}`, { cause: error });
    }
    expectContract(error);
    return { code: error.code, message: error.message };
  }
}
