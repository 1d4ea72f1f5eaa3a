/** Softmax rows: the kernel, its mirror, and the laws of probabilities. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MASKED_SCORE } from '../../src/kernels/kernels.ts';
import { softmax } from '../../src/kernels/reference/softmax.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';
import { randomSource } from '../support/random.ts';

type SoftmaxKernel = (
  yPtr: number,
  xPtr: number,
  C: number,
  rowStart: number,
  rowEnd: number,
) => void;

const spec = suite('softmax');

const memories = kernelMemories(8);

/** Runs a build over whole rows. */
function run(build: string, x: Float32Array, C: number, shift = 0): Float32Array {
  const memory = memories[build];
  memory.reset();
  const xPtr = memory.put(x, shift);
  const yPtr = memory.reserve(x.byteLength, 12 - shift);
  (memory.kernels.softmax as SoftmaxKernel)(yPtr, xPtr, C, 0, C === 0 ? 3 : x.length / C);
  memory.expectMargins(`${build} C ${C}`);
  return memory.floats(yPtr, x.length).slice();
}

spec('law: the mirror is e^x over its sum', () => {
  const x = Float32Array.of(1, 2, 3, -1, 0, 0.5);
  const y = new Float32Array(6);
  softmax(y, x, 3, 0, 2);
  for (const start of [0, 3]) {
    const powers = Array.from(x.subarray(start, start + 3), Math.exp);
    const sum = powers.reduce((total, power) => total + power);
    powers.forEach((power, i) => {
      assert.ok(Math.abs(y[start + i] - power / sum) <= 2 ** -25);
    });
  }
});

for (const build of Object.keys(memories)) {
  spec(`pair: ${build} is within 2e-7 of its mirror, and a row sums to 1 within 1e-6`, () => {
    for (const C of [...Array(41).keys(), 63, 64, 65, 1000, 4097]) {
      for (const scale of [1e-3, 1, 30, 1000]) {
        const rows = C > 100 ? 2 : 3;
        const x = randomSource(C + scale).signed(rows * C, scale);
        const expected = new Float32Array(x.length);
        softmax(expected, x, C, 0, rows);
        const y = run(build, x, C, 4 * (C % 4));
        y.forEach((value, i) => {
          assert.ok(Math.abs(value - expected[i]) <= 2e-7, `C ${C}, scale ${scale}: ${value}`);
        });
        for (let t = 0; t < rows && C > 0; t++) {
          const sum = y.subarray(t * C, (t + 1) * C).reduce((total, value) => total + value, 0);
          assert.ok(Math.abs(sum - 1) <= 1e-6, `C ${C}: ${sum}`);
        }
      }
    }
  });

  spec(`law: ${build} gives masked elements exactly 0, and the others what they get alone`, () => {
    const few = randomSource(5).signed(5, 3);
    const x = new Float32Array(11).fill(MASKED_SCORE);
    x.set(few, 0);
    x[9] = Number.NEGATIVE_INFINITY;
    const y = run(build, x, 11);
    expectSame(y.subarray(5), new Float32Array(6), 'masked');
    expectSame(y.subarray(0, 5), run(build, few, 5), 'seen');
  });

  spec(`law: ${build} gives a row the same bits alone, in place and among others`, () => {
    const C = 13;
    const x = randomSource(8).signed(4 * C, 5);
    const all = run(build, x, C);
    const memory = memories[build];
    memory.reset();
    const xPtr = memory.put(x, 4);
    (memory.kernels.softmax as SoftmaxKernel)(xPtr, xPtr, C, 2, 3);
    const inPlace = memory.floats(xPtr, x.length);
    expectSame(inPlace.subarray(2 * C, 3 * C), all.subarray(2 * C, 3 * C), 'row 2');
    expectSame(inPlace.subarray(0, 2 * C), x.subarray(0, 2 * C), 'rows before');
    expectSame(inPlace.subarray(3 * C), x.subarray(3 * C), 'rows behind');
  });

  spec(`law: ${build} shows NaN and +Infinity in a row as NaN, and only there`, () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const place of [0, 3, 4, 6]) {
        const x = randomSource(place).signed(14);
        x[place] = bad;
        const y = run(build, x, 7);
        assert.ok(y.subarray(0, 7).some(Number.isNaN), `${bad} at ${place}`);
        assert.ok(y.subarray(7).every(Number.isFinite));
      }
    }
  });
}

spec.run();
