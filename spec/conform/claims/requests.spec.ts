/** What a backend is asked. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CLAIMS } from '../../../src/conform/claims/claim.ts';
import {
  boundaryLengths,
  makeRequests,
  promptIds,
  type RequestOptions,
} from '../../../src/conform/claims/requests.ts';
import { expectRefusal } from '../../support/refusal.ts';

const requests = suite('conform requests');

const OPTIONS: RequestOptions = {
  vocabSize: 97,
  modelMaxLength: 600,
  continuation: async () => [5, 6, 7, 8],
};

requests('law: lengths lie on both sides of every edge, up to the longest', () => {
  assert.equal(
    boundaryLengths(4096, 4096),
    [1, 2, 63, 64, 65, 127, 128, 129, 511, 512, 513, 2047, 2048, 2049, 4095, 4096],
  );
  assert.equal(boundaryLengths(65, 4096), [1, 2, 63, 64, 65]);
  assert.equal(boundaryLengths(4096, 24), [1, 2, 23, 24]);
  assert.equal(boundaryLengths(1, 4096), [1]);
});

requests('law: prompts depend on nothing but their seed, and lie inside the vocabulary', () => {
  const ids = promptIds(500, 97, 1);
  assert.equal(promptIds(500, 97, 1), ids);
  assert.equal(promptIds(9, 97, 1), ids.slice(0, 9));
  assert.not.equal(promptIds(500, 97, 2), ids);
  assert.ok(ids.every((id) => id >= 3 && id < 97));
  assert.ok(new Set(ids).size > 90);
  assert.equal(promptIds(3, 1, 1), [0, 0, 0]);
});

requests('law: every claim is asked about, and --claims leaves out the others', async () => {
  const all = await makeRequests(OPTIONS);
  assert.ok(all.texts.length > 30 && all.chats.length > 5);
  const asked = new Set(all.prefills.map(({ claim }) => claim));
  assert.equal([...asked], CLAIMS.slice(2));
  for (const claim of CLAIMS) {
    const one = await makeRequests({ ...OPTIONS, claims: [claim] });
    assert.is(one.texts.length > 0, claim === 'tokenizer');
    assert.is(one.chats.length > 0, claim === 'chat');
    assert.ok(one.prefills.every((prefill) => prefill.claim === claim));
    assert.is(one.prefills.length > 0, !['tokenizer', 'chat'].includes(claim));
  }
});

requests('law: names are distinct and positions lie in their prompts', async () => {
  const { texts, chats, prefills } = await makeRequests(OPTIONS);
  for (const list of [texts, chats, prefills]) {
    assert.is(new Set(list.map(({ id }) => id)).size, list.length);
  }
  for (const { ids, positions } of prefills) {
    assert.ok(positions.every((position) => position >= 0 && position < ids.length));
  }
});

requests('law: generation asks for the choice after every token of the continuation', async () => {
  const { prefills } = await makeRequests({ ...OPTIONS, claims: ['generation'] });
  const [{ ids, positions }] = prefills;
  assert.equal(ids.slice(-3), [5, 6, 7]);
  assert.equal(positions, [12, 13, 14, 15]);
});

requests('law: the longest prompt is as long as allowed, whatever the claim', async () => {
  for (const maxLength of [1, 7, 64]) {
    const { prefills } = await makeRequests({ ...OPTIONS, maxLength });
    const longest = Math.max(...prefills.map(({ ids }) => ids.length));
    assert.is(longest, maxLength);
  }
});

for (const maxLength of [0, -1, 1.5, Number.NaN]) {
  requests(`error: ${maxLength} is no length`, async () => {
    const where = '--max-length';
    await expectRefusal(() => makeRequests({ ...OPTIONS, maxLength }), {
      ...{ code: 'option-value', where, fix: 'whole number' },
    });
  });
}

requests.run();
