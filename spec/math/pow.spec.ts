import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pow } from '../../src/math/pow.ts';
import { distance64, loadPoints, measure } from './ulp.ts';

const test = suite('math/pow');
const points = loadPoints('pow');

test('golden: pow is at most 1 ULP from the correctly rounded value, and mostly equal', () => {
  const { farthest, inexact } = measure(points, distance64, pow);
  assert.ok(points.length > 2500);
  assert.ok(farthest <= 1, `farthest ${farthest}`);
  assert.ok(inexact < 0.02 * points.length, `${inexact} of ${points.length}`);
});

test('law: pow is exact where the result is: powers of two and small integers', () => {
  for (let n = 0, power = 1; n <= 1023; n++, power *= 2) assert.is(pow(2, n), power);
  for (let n = 0, power = 1; n >= -1074; n--, power /= 2) assert.is(pow(2, n), power);
  let power = 1;
  for (let n = 0; n <= 22; n++, power *= 10) assert.is(pow(10, n), power);
  assert.is(pow(2, -8 / 4), 0.25);
});

test('law: pow has the values of IEEE 754 at 0, 1 and the infinities, and none for b ≤ 0', () => {
  const infinity = Number.POSITIVE_INFINITY;
  assert.is(pow(123.4, 0), 1);
  assert.is(pow(1, infinity), 1);
  assert.is(pow(2, infinity), infinity);
  assert.is(pow(2, -infinity), 0);
  assert.is(pow(0.5, infinity), 0);
  assert.is(pow(0.5, -infinity), infinity);
  assert.is(pow(infinity, -1), 0);
  assert.is(pow(infinity, 1), infinity);
  assert.is(pow(1.0000000000000002, 1e300), infinity);
  assert.is(pow(0.9999999999999999, 1e300), 0);
  for (const base of [0, -2, Number.NaN]) assert.ok(Number.isNaN(pow(base, 2)));
  assert.ok(Number.isNaN(pow(2, Number.NaN)));
});

test('law: bˣ · b⁻ˣ is 1, and b² is b · b, to a few ULP', () => {
  const positive = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
  fc.assert(
    fc.property(positive, fc.double({ min: -40, max: 40, noNaN: true }), (base, exponent) => {
      assert.ok(distance64(pow(base, exponent) * pow(base, -exponent), 1) <= 4);
      assert.ok(distance64(pow(base, 2), base * base) <= 1);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test.run();
