import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exp } from '../../src/math/exp.ts';
import { log, logDoubleDouble } from '../../src/math/log.ts';
import { distance64, loadPoints, measure } from './ulp.ts';

const test = suite('math/log');
const points = loadPoints('log');

test('golden: log is at most 1 ULP from the correctly rounded value, nearly always equal', () => {
  const { farthest, inexact } = measure(points, distance64, log);
  assert.ok(points.length > 2500);
  assert.ok(farthest <= 1, `farthest ${farthest}`);
  assert.ok(inexact < 0.01 * points.length, `${inexact} of ${points.length}`);
});

test('law: log has exact values at 0, 1 and Infinity and none below 0', () => {
  assert.is(log(1), 0);
  assert.is(log(0), Number.NEGATIVE_INFINITY);
  assert.is(log(-0), Number.NEGATIVE_INFINITY);
  assert.is(log(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.ok(Number.isNaN(log(-1)));
  assert.ok(Number.isNaN(log(Number.NaN)));
});

test('law: log(a · b) is log(a) + log(b), and exp undoes log', () => {
  const positive = fc.double({ min: 1e-150, max: 1e150, noNaN: true });
  fc.assert(
    fc.property(positive, positive, (a, b) => {
      const sum = log(a) + log(b);
      assert.ok(Math.abs(log(a * b) - sum) <= 1e-15 * (Math.abs(log(a)) + Math.abs(log(b)) + 1));
      assert.ok(Math.abs(exp(log(a)) / a - 1) <= 4e-16 * (Math.abs(log(a)) + 2));
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('law: the two parts of a logarithm do not overlap', () => {
  for (const point of points) {
    const { hi, lo } = logDoubleDouble(point[0] as number);
    assert.is(hi + lo, hi);
  }
});

test.run();
