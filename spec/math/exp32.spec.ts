import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exp } from '../../src/math/exp.ts';
import { exp32 } from '../../src/math/exp32.ts';
import { after32, distance32, loadPoints, measure } from './ulp.ts';

const test = suite('math/exp32');
const points = loadPoints('exp32');

/** The greatest and the least positive number of float32, and its least normal number. */
const MAXIMUM = 3.4028234663852886e38;
const SMALLEST = 1.401298464324817e-45;
const LEAST_NORMAL = 1.1754943508222875e-38;

test('golden: exp32 is at most 1 ULP from the correctly rounded value, subnormals too', () => {
  const { farthest, inexact } = measure(points, distance32, exp32);
  assert.ok(points.length > 3000);
  assert.ok(farthest <= 1, `farthest ${farthest}`);
  assert.ok(inexact < 0.12 * points.length, `${inexact} of ${points.length}`);
});

test('law: every 1009th float32 input is less than 1 ULP from exp in float64', () => {
  let worst = 0;
  for (let x = -87.33; x < 88.72; x = after32(x, Math.abs(x) < 1e-6 ? 8388608 : 1009)) {
    const exact = exp(Math.fround(x));
    const spacing = after32(Math.fround(exact), 1) - Math.fround(exact);
    worst = Math.max(worst, Math.abs(exp32(Math.fround(x)) - exact) / spacing);
  }
  assert.ok(worst > 0.5 && worst < 1, `${worst}`);
});

test('law: exp32 has exact values at 0, the infinities and NaN', () => {
  assert.is(exp32(0), 1);
  assert.is(exp32(-0), 1);
  assert.is(exp32(Number.NEGATIVE_INFINITY), 0);
  assert.is(exp32(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.is(exp32(-MAXIMUM), 0);
  assert.is(exp32(MAXIMUM), Number.POSITIVE_INFINITY);
  assert.is(exp32(SMALLEST), 1);
  assert.ok(Number.isNaN(exp32(Number.NaN)));
});

test('law: exp32 runs through subnormal numbers down to 0 without a gap', () => {
  const seen = new Set<number>();
  for (let x = -87; x > -105; x -= 1 / 1024) seen.add(exp32(x));
  assert.ok(seen.has(SMALLEST) && seen.has(0));
  const subnormal = [...seen].filter((y) => y > 0 && y < LEAST_NORMAL);
  assert.ok(subnormal.length > 1000);
  assert.ok(subnormal.every((y) => Number.isInteger(y / SMALLEST)));
});

test('law: exp32 never falls from a float32 to the next', () => {
  const starts = [-104, -87.34, -20, -1, -0.3466, -1e-3, 1e-3, 0.3466, 1, 20, 88];
  for (const start of starts.map(Math.fround)) {
    let before = exp32(start);
    for (let step = 1; step <= 20_000; step++) {
      const y = exp32(after32(start, step));
      assert.ok(y >= before, `falls after ${after32(start, step)}`);
      before = y;
    }
  }
});

test('law: exp32 returns float32 values', () => {
  for (const point of points) {
    const y = exp32(point[0] as number);
    assert.is(Math.fround(y), y);
  }
});

test.run();
