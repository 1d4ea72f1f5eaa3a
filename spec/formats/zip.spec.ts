/** Archives that no one wrote: mutated, cut and flipped. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fuzz } from '../support/fuzz/target.ts';
import { zipTarget } from '../support/fuzz/zip.ts';

const zip = suite('zip');

zip('law: a mutated archive is refused well, or is what zip.js reads', async () => {
  const { accepted, refused } = await fuzz(zipTarget, { seed: 11, numRuns: 3000 });
  assert.ok(accepted > 100, `${accepted} accepted`);
  assert.ok(refused.size >= 11, `refused with ${[...refused.keys()].join(', ')}`);
});

zip.run();
