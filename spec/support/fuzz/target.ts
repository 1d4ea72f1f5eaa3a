/** What a fuzzer runs: cases made by an arbitrary, each opened and held to the invariants. Specs
 *  run some thousands of each target; `fc.assert` with more runs and other seeds runs millions. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../../src/errors.ts';
import { expectContract, prototypeKeys } from '../refusal.ts';

export interface FuzzTarget<Case> {
  readonly name: string;
  readonly cases: fc.Arbitrary<Case>;
  /** Opens a case with a size of blocks; what it gives back is compared by value. */
  open(sample: Case, blockBytes: number | undefined): Promise<unknown>;
  /** Checks what was accepted against another reader (I7). */
  expectSame?(sample: Case, opened: unknown): Promise<void>;
}

/** How cases ended. */
export interface Tally {
  accepted: number;
  /** Refusals by code. */
  readonly refused: Map<string, number>;
}

/** The longest time of one case, in milliseconds: no case may hang (I2). */
const CASE_MS = 2000;

/** Runs a target. @returns how often it accepted, and refused with which code */
export async function fuzz<Case>(
  target: FuzzTarget<Case>,
  parameters: fc.Parameters<[Case]>,
): Promise<Tally> {
  const tally: Tally = { accepted: 0, refused: new Map() };
  const prototypes = prototypeKeys();
  await fc.assert(
    fc.asyncProperty(target.cases, async (sample) => {
      const started = performance.now();
      const outcome = await outcomeOf(target, sample, undefined);
      const again = await outcomeOf(target, sample, 7);
      assert.ok(performance.now() - started < CASE_MS, 'I2: in time');
      assert.equal(again, outcome, 'I5, I6: the same in other blocks');
      if (outcome.code !== undefined) {
        tally.refused.set(outcome.code, (tally.refused.get(outcome.code) ?? 0) + 1);
        return;
      }
      tally.accepted += 1;
      await target.expectSame?.(sample, outcome.opened);
    }),
    parameters,
  );
  assert.equal(prototypeKeys(), prototypes, 'I8: a prototype was changed');
  return tally;
}

async function outcomeOf<Case>(
  target: FuzzTarget<Case>,
  sample: Case,
  blockBytes: number | undefined,
): Promise<{ code?: string; message?: string; opened?: unknown }> {
  try {
    return { opened: await target.open(sample, blockBytes) };
  } catch (error) {
    if (!(error instanceof BaichuanError))
      throw new Error('I1: no BaichuanError', { cause: error });
    expectContract(error);
    return { code: error.code, message: error.message };
  }
}
