import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { argMax, kthLargest, maximum, sortByScore, topIds } from '../../src/generate/ranking.ts';

const test = suite('generate/ranking');
const score = fc.oneof(
  fc.integer({ min: -4, max: 4 }),
  fc.float({ noNaN: true }),
  fc.constant(Number.NEGATIVE_INFINITY),
);
const scores = fc
  .array(score, { minLength: 1, maxLength: 700 })
  .map((list) => new Float32Array(list));

/** Ids by descending score, equal ones by ascending id. */
function descending(list: Float32Array): number[] {
  return [...list.keys()].sort((a, b) =>
    list[a] === list[b] ? a - b : list[a] > list[b] ? -1 : 1,
  );
}

test('law: argMax, maximum, kthLargest and topIds agree with a full sort', () => {
  fc.assert(
    fc.property(scores, fc.nat(), (list, number) => {
      const order = descending(list);
      const k = 1 + (number % list.length);
      assert.is(argMax(list), order[0]);
      assert.ok(maximum(list) === list[order[0]]);
      assert.ok(kthLargest(list, k) === list[order[k - 1]]);
      assert.equal(topIds(list, k), order.slice(0, k));
    }),
    { seed: 1, numRuns: 500 },
  );
});

test('law: sortByScore sorts ids by ascending score, equal scores by ascending id', () => {
  const ids = Int32Array.of(4, 2, 1, 0);
  sortByScore(Float32Array.of(2, -1, 2, 9, 0), ids);
  assert.equal([...ids], [1, 4, 0, 2]);
});

test('law: of equal scores argMax takes the lowest id', () => {
  assert.is(argMax(Float32Array.of(1, 3, 3, 2, 3)), 1);
});

test('law: topIds of more than there are lists all, of 0 none', () => {
  assert.equal(topIds(Float32Array.of(1, 5, 3), 9), [1, 2, 0]);
  assert.equal(topIds(Float32Array.of(1, 5, 3), 0), []);
});

test.run();
