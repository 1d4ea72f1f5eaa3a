import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { difference } from '../../src/verify/compare.ts';

const compare = suite('compare');
const MASKED = -3.4028234663852886e38;

const tensor = (values: number[], shape = [values.length]) => ({ shape, values });
const relative = (expected: number[], found: number[]) =>
  difference(tensor(expected), tensor(found)).relative;

compare('law: a tensor is no distance from itself, whatever it holds but NaN', () => {
  const numbers = fc.array(fc.double({ noNaN: true }), { maxLength: 20 });
  fc.assert(
    fc.property(numbers, (values) => relative(values, values) === 0),
    { seed: 1 },
  );
});

compare(
  'law: the distance is relative to the largest expected magnitude, and names its place',
  () => {
    const found = difference(tensor([1, -4, 2]), tensor([1, -4, 3]));
    assert.equal(found, { maxAbs: 1, largest: 4, relative: 0.25, worst: 2 });
  },
);

compare('law: a changed sign is seen, between positive and between negative numbers', () => {
  assert.is(relative([3, 4], [3, -4]), 2);
  assert.is(relative([-3, -4], [-3, 4]), 2);
  assert.is(relative([-3, -4], [-3, -5]), 0.25);
});

compare('law: NaN on either side is infinitely far', () => {
  for (const [expected, found] of [
    [Number.NaN, 1],
    [1, Number.NaN],
    [Number.NaN, Number.NaN],
  ]) {
    assert.is(relative([expected, 1], [found, 1]), Number.POSITIVE_INFINITY);
  }
});

compare('law: an infinity is equal to itself only', () => {
  const infinity = Number.POSITIVE_INFINITY;
  assert.is(relative([infinity, 1], [infinity, 1]), 0);
  assert.is(relative([infinity, 1], [5, 1]), infinity);
  assert.is(relative([5, 1], [infinity, 1]), infinity);
});

compare('law: masked scores are a set: a missing or an additional one is infinitely far', () => {
  assert.is(relative([1, MASKED], [1, -1e38]), 0);
  assert.is(relative([1, MASKED], [1, 0]), Number.POSITIVE_INFINITY);
  assert.is(relative([1, 0], [1, MASKED]), Number.POSITIVE_INFINITY);
  assert.is(difference(tensor([2, MASKED]), tensor([1, MASKED])).largest, 2);
});

compare('law: anything but zero is infinitely far from all zeros', () => {
  assert.is(relative([0, 0], [0, 1e-30]), Number.POSITIVE_INFINITY);
});

compare('error: swapped axes are refused with both shapes', () => {
  assert.throws(
    () => difference(tensor([1, 2, 3, 4, 5, 6], [2, 3]), tensor([1, 2, 3, 4, 5, 6], [3, 2])),
    /shape-mismatch: Expected shape \[2, 3\], found \[3, 2\]\. Compare tensors of the same shape\./,
  );
});

compare.run();
