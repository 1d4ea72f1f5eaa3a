/** One part of a campaign: some cases of a target under one seed. A campaign is many of them, so
 *  that it can report, stop and go on between two. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { prototypeKeys } from '../refusal.ts';
import { emptyTally, type FuzzTarget, propertyOf } from './target.ts';

export interface ChunkPlan {
  readonly seed: number;
  readonly cases: number;
  /** Runs one case alone: its number, or the path of a finding as it was printed. */
  readonly path?: string | undefined;
}

export interface Finding {
  /** With these two the case comes again. */
  readonly seed: number;
  readonly path: string;
  /** The file, made as small as it could be. */
  readonly bytes: Uint8Array;
  readonly shrinks: number;
  readonly error: string;
}

export interface ChunkResult {
  readonly cases: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly finding?: Finding | undefined;
}

/** Runs some cases. @param begin is called before each */
export async function runChunk(
  target: FuzzTarget,
  { seed, cases, path }: ChunkPlan,
  begin: () => void = () => {},
): Promise<ChunkResult> {
  const tally = emptyTally();
  const prototypes = prototypeKeys();
  const parameters = path === undefined ? { numRuns: cases } : { path, numRuns: 1 };
  const details = await fc.check(propertyOf(target, tally, begin), { seed, ...parameters });
  assert.equal(prototypeKeys(), prototypes, 'I8: a prototype was changed');
  const { accepted } = tally;
  const counts = { accepted, refused: Object.fromEntries(tally.refused) };
  // What was tried while a finding was made smaller is not counted.
  if (!details.failed) return { cases: details.numRuns, ...counts };
  const finding: Finding = {
    seed: details.seed,
    path: details.counterexamplePath ?? '',
    bytes: details.counterexample?.[0] ?? new Uint8Array(0),
    shrinks: details.numShrinks,
    error: messageOf(details.errorInstance),
  };
  return { cases: details.numRuns, ...counts, finding };
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const stack = error.stack ?? error.message;
  return cause instanceof Error ? `${stack}\ncaused by ${cause.stack ?? cause.message}` : stack;
}
