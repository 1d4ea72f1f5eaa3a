import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rmsNorm } from '../../src/kernels/reference/rms-norm.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';
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

for (const [build, memory] of Object.entries(kernelMemories(8))) {
  /** Rows 0 to `rows` of x, through the kernel. */
  const run = (x: Float32Array, weight: Float32Array, eps: number, rows: number, shift = 0) => {
    const C = weight.length;
    memory.reset();
    const pointers = [memory.put(x, shift), memory.put(weight, (shift + 4) % 16)];
    const yPtr = memory.reserve(x.byteLength, (shift + 8) % 16);
    memory.kernels.rmsNorm(yPtr, pointers[0], pointers[1], eps, C, 0, rows);
    memory.expectMargins(`C ${C}`);
    return memory.floats(yPtr, x.length).slice();
  };

  kernel(`pair: ${build} is within 4e-7 of its mirror, at every length and alignment`, () => {
    for (const scale of [...SCALES, 1e-30, 1e38]) {
      for (const C of [...Array(41).keys(), 5120, 13_697]) {
        const random = randomSource(C + 1);
        const [x, weight] = [random.signed(3 * C, scale), random.signed(C, 2)];
        const expected = new Float32Array(3 * C);
        for (const eps of scale === 1 ? [1e-6, 0] : [1e-6]) {
          rmsNorm(expected, x, weight, eps, C, 0, 3);
          run(x, weight, eps, 3, 4 * (C % 4)).forEach((value, i) => {
            const error = Math.abs(value - expected[i]);
            assert.ok(error <= 4e-7 * Math.abs(expected[i]) + 1.5e-45, `C ${C}, scale ${scale}`);
          });
        }
      }
    }
  });

  kernel(`law: ${build} does the rows of its range, each as if it were alone, in place too`, () => {
    const C = 21;
    const random = randomSource(3);
    const [x, weight] = [random.signed(5 * C), random.signed(C)];
    const whole = run(x, weight, 1e-6, 5);
    x.fill(Number.NaN, 0, C);
    expectSame(run(x, weight, 1e-6, 5).subarray(C), whole.subarray(C), 'beside NaN');
    memory.reset();
    const [xPtr, weightPtr] = [memory.put(x), memory.put(weight)];
    memory.kernels.rmsNorm(xPtr, xPtr, weightPtr, 1e-6, C, 1, 3);
    const inPlace = memory.floats(xPtr, x.length);
    expectSame(inPlace.subarray(C, 3 * C), whole.subarray(C, 3 * C), 'in place');
    expectSame(inPlace.subarray(3 * C), x.subarray(3 * C), 'behind');
  });

  kernel(`law: ${build} adds eps to the mean of the squares`, () => {
    const [x, weight] = [new Float32Array(9).fill(1e-3), new Float32Array(9).fill(1)];
    assert.ok(run(x, weight, 0, 1).every((value) => Math.abs(value - 1) < 1e-6));
    const halved = run(x, weight, 3e-6, 1);
    assert.ok(halved.every((value) => Math.abs(value - 0.5) < 1e-6));
  });
}

kernel.run();
