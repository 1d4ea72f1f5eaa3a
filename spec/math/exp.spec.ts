import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exp, expOfSum } from '../../src/math/exp.ts';
import { distance64, loadPoints, measure } from './ulp.ts';

const test = suite('math/exp');
const points = loadPoints('exp');

test('golden: exp is at most 1 ULP from the correctly rounded value, and mostly equal', () => {
  const { farthest, inexact } = measure(points, distance64, exp);
  assert.ok(points.length > 3000);
  assert.ok(farthest <= 1, `farthest ${farthest}`);
  assert.ok(inexact < 0.02 * points.length, `${inexact} of ${points.length}`);
});

test('law: exp has exact values at 0, the infinities and beyond the range of float64', () => {
  assert.is(exp(0), 1);
  assert.is(exp(-0), 1);
  assert.is(exp(Number.NEGATIVE_INFINITY), 0);
  assert.is(exp(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.is(exp(709.79), Number.POSITIVE_INFINITY);
  assert.is(exp(-745.2), 0);
  assert.ok(Number.isNaN(exp(Number.NaN)));
});

test('law: exp(a + b) equals exp(a) · exp(b) to a few ULP, exp(-a) its reciprocal', () => {
  const real = fc.double({ min: -300, max: 300, noNaN: true });
  fc.assert(
    fc.property(real, real, (a, b) => {
      const sum = a + b;
      const lost = b - (sum - a) + (a - (sum - (sum - a)));
      assert.ok(distance64(expOfSum(sum, lost), exp(a) * exp(b)) <= 4);
      assert.ok(distance64(exp(-a), 1 / exp(a)) <= 3);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('law: the low part of an exponent changes the result by its own share', () => {
  assert.is.not(expOfSum(700, 5e-14), exp(700));
  assert.ok(distance64(expOfSum(700, 5e-14), exp(700) * (1 + 5e-14)) <= 2);
});

test.run();
