/** The law of every target, with a fixed seed. */
import type { suite as Suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzz } from './target.ts';
import { FUZZ_TARGETS, type FuzzGroup, type FuzzRow } from './targets.ts';

const SEED = 1;

/** Adds one test for each target of a group. */
export function addFuzzLaws(suite: ReturnType<typeof Suite>, group: FuzzGroup): void {
  for (const { target, cases, accepted, codes } of rowsOf(group)) {
    const title = `law: any ${target.name} is refused well, or read as another reader reads it`;
    suite(title, async () => {
      const tally = await fuzz(target, { seed: SEED, numRuns: cases });
      const refused = [...tally.refused.keys()];
      assert.ok(tally.accepted >= accepted, `${tally.accepted} accepted`);
      assert.ok(refused.length >= codes, `refused with ${refused.join(', ')}`);
      const counted = [...tally.refused.values()].reduce((sum, count) => sum + count, 0);
      assert.is(tally.accepted + counted, cases, 'every case ran');
    });
  }
}

function rowsOf(group: FuzzGroup): readonly FuzzRow[] {
  return FUZZ_TARGETS.filter((row) => row.group === group);
}
