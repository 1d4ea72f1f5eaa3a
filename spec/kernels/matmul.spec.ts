import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { matmul } from '../../src/kernels/reference/matmul.ts';
import { randomSource } from '../support/random.ts';

const kernel = suite('matmul');

/** Pairwise distinct sizes, lengths through two vector blocks of 16 and a remainder. */
const CASES = Array.from({ length: 40 }, (_, length) => ({
  T: (length % 3) + 1,
  out: (length % 5) + 41,
  in: length,
}));

kernel('law: every element is the exact sum rounded once', () => {
  for (const { T, out, in: inFeatures } of CASES) {
    const random = randomSource(inFeatures + 1);
    const [x, weight] = [random.signed(T * inFeatures), random.signed(out * inFeatures)];
    const y = new Float32Array(T * out).fill(Number.NaN);
    matmul(y, x, weight, T, out, inFeatures, 0, out);
    y.forEach((value, index) => {
      const [t, o] = [Math.floor(index / out), index % out];
      const products = Array.from(
        x.subarray(t * inFeatures, (t + 1) * inFeatures),
        (xValue, i) => xValue * weight[o * inFeatures + i],
      );
      // Pairs from the ends inwards: another order of summation than the mirror's.
      const exact = products.sort((a, b) => a - b).reduce((sum, product) => sum + product, 0);
      const magnitude = products.reduce((sum, product) => sum + Math.abs(product), 0);
      assert.ok(Math.abs(value - exact) <= 2 ** -24 * Math.abs(exact) + 2 ** -48 * magnitude);
    });
  }
});

kernel('law: rows of the weight may be done in any ranges, and others stay untouched', () => {
  const [T, out, inFeatures] = [3, 11, 7];
  const random = randomSource(5);
  const [x, weight] = [random.signed(T * inFeatures), random.signed(out * inFeatures)];
  const whole = new Float32Array(T * out);
  matmul(whole, x, weight, T, out, inFeatures, 0, out);
  for (let split = 0; split <= out; split++) {
    const y = new Float32Array(T * out).fill(-7);
    matmul(y, x, weight, T, out, inFeatures, 0, split);
    y.forEach((value, index) => {
      if (index % out >= split) assert.is(value, -7);
    });
    matmul(y, x, weight, T, out, inFeatures, split, out);
    assert.equal(y, whole);
  }
});

kernel('law: an identity weight copies x, a zero length gives zeros', () => {
  const x = randomSource(9).signed(2 * 6);
  const identity = Float32Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0));
  const y = new Float32Array(12);
  matmul(y, x, identity, 2, 6, 6, 0, 6);
  assert.equal(y, x);
  const empty = new Float32Array(4).fill(1);
  matmul(empty, new Float32Array(0), new Float32Array(0), 2, 2, 0, 0, 2);
  assert.equal(empty, new Float32Array(4));
});

kernel.run();
