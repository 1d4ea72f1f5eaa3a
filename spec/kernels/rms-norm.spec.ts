import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rmsNorm } from '../../src/kernels/reference/rms-norm.ts';
import { randomSource } from '../support/random.ts';

const kernel = suite('rms-norm kernel');

/** Activations from tiny to huge, at every length through two vector blocks and a remainder. */
const SCALES = [1e-20, 1e-6, 1, 1e6, 1e18];

kernel('law: every value is within one ULP of the formula in float64, from 1e-20 to 1e18', () => {
  for (const scale of SCALES) {
    for (let C = 1; C <= 40; C++) {
      const random = randomSource(C);
      const [x, weight] = [random.signed(2 * C, scale), random.signed(C)];
      const y = new Float32Array(2 * C);
      rmsNorm(y, x, weight, 1e-6, C, 0, 2);
      y.forEach((value, index) => {
        const row = x.subarray(Math.floor(index / C) * C, (Math.floor(index / C) + 1) * C);
        const square = row.reduce((sum, element) => sum + element * element, 0) / C;
        const expected = (x[index] / Math.sqrt(square + 1e-6)) * weight[index % C];
        assert.ok(Math.abs(value - expected) <= 2 ** -23 * Math.abs(expected) + 1e-45);
      });
    }
  }
});

kernel('law: rows may be done in any ranges, and others stay untouched', () => {
  const C = 9;
  const random = randomSource(3);
  const [x, weight] = [random.signed(5 * C), random.signed(C)];
  const whole = new Float32Array(5 * C);
  rmsNorm(whole, x, weight, 1e-6, C, 0, 5);
  const y = new Float32Array(5 * C).fill(-7);
  rmsNorm(y, x, weight, 1e-6, C, 1, 3);
  assert.equal(y.subarray(0, C), new Float32Array(C).fill(-7));
  assert.equal(y.subarray(C, 3 * C), whole.subarray(C, 3 * C));
  assert.equal(y.subarray(3 * C), new Float32Array(2 * C).fill(-7));
});

kernel.run();
