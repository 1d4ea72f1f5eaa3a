import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cos, sin } from '../../src/math/sin-cos.ts';
import { distance64, loadPoints, measure } from './ulp.ts';

const test = suite('math/sin-cos');
const sines = loadPoints('sin');
const cosines = loadPoints('cos');
const angle = fc.double({ min: -1048576, max: 1048576, noNaN: true });

test('golden: sin is at most 1 ULP from the correctly rounded value up to 2^20', () => {
  const { farthest, inexact } = measure(sines, distance64, sin);
  assert.ok(sines.length > 3000);
  assert.ok(farthest <= 1, `farthest ${farthest}`);
  assert.ok(inexact < 0.02 * sines.length, `${inexact} of ${sines.length}`);
});

test('golden: cos is at most 1 ULP from the correctly rounded value up to 2^20', () => {
  const { farthest, inexact } = measure(cosines, distance64, cos);
  assert.ok(cosines.length > 3000);
  assert.ok(farthest <= 1, `farthest ${farthest}`);
  assert.ok(inexact < 0.02 * cosines.length, `${inexact} of ${cosines.length}`);
});

test('law: sin is odd, cos is even, bit for bit', () => {
  fc.assert(
    fc.property(angle, (x) => {
      assert.is(sin(-x), -sin(x));
      assert.is(cos(-x), cos(x));
    }),
    { seed: 1, numRuns: 2000 },
  );
  assert.ok(Object.is(sin(-0), -0));
});

test('law: sin² + cos² is 1 to 4 ULP', () => {
  fc.assert(
    fc.property(angle, (x) => assert.ok(distance64(sin(x) ** 2 + cos(x) ** 2, 1) <= 4)),
    { seed: 1, numRuns: 5000 },
  );
});

test('law: a quarter turn changes sin into cos', () => {
  // x + π/2 for x a multiple of 2^-20: the angle differs from the sum by at most 2^-50.
  fc.assert(
    fc.property(fc.integer({ min: -4194304, max: 4194304 }), (steps) => {
      const x = steps / 1048576;
      assert.ok(Math.abs(sin(x + Math.PI / 2) - cos(x)) < 2 ** -50);
      assert.ok(Math.abs(cos(x + Math.PI / 2) + sin(x)) < 2 ** -50);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('law: beyond 2^50, at the infinities and for NaN there is no value', () => {
  for (const x of [2 ** 51, -(2 ** 60), Number.POSITIVE_INFINITY, Number.NaN]) {
    assert.ok(Number.isNaN(sin(x)));
    assert.ok(Number.isNaN(cos(x)));
  }
  assert.ok(Math.abs(sin(2 ** 50)) <= 1);
});

test.run();
