import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRandom, type Random } from '../../src/generate/random.ts';
import { logprobs, sampleToken } from '../../src/generate/sampler.ts';

const test = suite('generate/sampler');
const { LN2 } = Math;

/** A generator that gives one uniform number, always. */
function fixed(uniform: number): Random {
  return { nextUint32: () => 0, nextUniform: () => uniform };
}

test('law: a token is drawn where the cumulative probability in order of id passes u', () => {
  // Probabilities 1/2, 1/4, 1/4.
  const scores = Float32Array.of(LN2, 0, 0);
  const drawn = [0, 0.49, 0.51, 0.74, 0.76, 0.999].map((u) => sampleToken(scores, fixed(u)));
  assert.equal(drawn, [0, 0, 1, 1, 2, 2]);
  // On a border the next token is drawn.
  assert.is(sampleToken(Float32Array.of(1, 1), fixed(0.5)), 1);
});

test('law: a removed token is never drawn, at the ends of the range either', () => {
  const removed = Number.NEGATIVE_INFINITY;
  const scores = Float32Array.of(removed, 0, removed, 0, removed);
  assert.is(sampleToken(scores, fixed(0)), 1);
  assert.is(sampleToken(scores, fixed(1 - 2 ** -53)), 3);
  const random = makeRandom(3);
  for (let run = 0; run < 1000; run++) assert.ok([1, 3].includes(sampleToken(scores, random)));
});

test('law: adding a number to all scores changes no draw', () => {
  const scores = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(scores, fc.integer({ min: -1000, max: 1000 }), fc.nat(), (list, shift, seed) => {
      const plain = sampleToken(Float32Array.from(list), makeRandom(seed));
      const shifted = list.map((score) => score + shift);
      assert.is(sampleToken(Float32Array.from(shifted), makeRandom(seed)), plain);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('law: tokens are drawn as often as their probabilities say', () => {
  // Probabilities 8, 4, 2, 1, 1 sixteenths.
  const scores = Float32Array.of(3 * LN2, 2 * LN2, LN2, 0, 0);
  const random = makeRandom(11);
  const counts = [0, 0, 0, 0, 0];
  for (let run = 0; run < 16_000; run++) counts[sampleToken(scores, random)]++;
  const expected = [8000, 4000, 2000, 1000, 1000];
  const chiSquare = counts.reduce(
    (sum, count, id) => sum + (count - expected[id]) ** 2 / expected[id],
    0,
  );
  // 4 degrees of freedom: 99.9 % of runs lie below 18.5.
  assert.ok(chiSquare < 18.5, `${chiSquare}`);
});

test('law: log-probabilities are those of the softmax, the likeliest first', () => {
  const scores = Float32Array.of(0, LN2, 0, 3 * LN2, 2 * LN2);
  const found = logprobs(scores, 2, 3);
  assert.ok(Math.abs(found.logprob - -4 * LN2) < 1e-6);
  assert.equal(
    found.topLogprobs.map(({ tokenId }) => tokenId),
    [3, 4, 1],
  );
  for (const [rank, { logprob }] of found.topLogprobs.entries()) {
    assert.ok(Math.abs(logprob - -(rank + 1) * LN2) < 1e-6);
  }
});

test('law: n changes how many log-probabilities are listed, equal ones by id', () => {
  const scores = Float32Array.of(1, 1, 1, 1);
  const ids = (n: number) => logprobs(scores, 0, n).topLogprobs.map(({ tokenId }) => tokenId);
  assert.equal(ids(0), []);
  assert.equal(ids(2), [0, 1]);
  assert.equal(ids(9), [0, 1, 2, 3]);
});

test('law: the probabilities behind the log-probabilities add up to 1', () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1 }),
      (list) => {
        const { topLogprobs } = logprobs(Float32Array.from(list), 0, list.length);
        const total = topLogprobs.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
        assert.ok(Math.abs(total - 1) < 1e-12, `${total}`);
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test.run();
