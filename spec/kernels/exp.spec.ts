/** The exponential of lanes against src/math/exp32.ts, whose accuracy has a spec of its own. */

import { suite } from 'uvu';
import { exp } from '../../src/kernels/reference/exp.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';
import { randomSource } from '../support/random.ts';

type ExpKernel = (yPtr: number, xPtr: number, start: number, end: number) => void;

const spec = suite('exp');

/** Patterns of every sign, exponent and NaN, and each power of two with its neighbours. */
const COUNT = 2 ** 19;
const PATTERNS = Uint32Array.from({ length: COUNT }, (_, i) => Math.imul(i, 8191) + (i >>> 8));
for (let exponent = 0; exponent < 512; exponent++) {
  for (const step of [-1, 0, 1]) {
    PATTERNS[3 * exponent + step + 1] = exponent * 2 ** 23 + step;
  }
}

for (const [build, memory] of Object.entries(kernelMemories(80))) {
  const kernel = memory.kernels.exp as ExpKernel;

  spec(`pair: ${build} agrees bit for bit over half a million patterns`, () => {
    const x = new Float32Array(PATTERNS.buffer);
    const expected = new Float32Array(COUNT);
    exp(expected, x, 0, COUNT);
    memory.reset();
    const xPtr = memory.put(PATTERNS);
    const yPtr = memory.reserve(4 * COUNT);
    kernel(yPtr, xPtr, 0, COUNT);
    expectSame(memory.floats(yPtr, COUNT), expected, build);
  });

  spec(`pair: ${build} agrees at every length 0 to 20, alignment and start, in place too`, () => {
    for (let length = 0; length <= 20; length++) {
      for (const shift of [0, 4, 8, 12]) {
        const start = (length + shift / 4) % 3;
        const x = randomSource(length + shift).signed(length + 5, 20);
        const expected = x.slice();
        exp(expected, x, start, start + length);
        memory.reset();
        const xPtr = memory.put(x, shift);
        const yPtr = shift === 8 ? xPtr : memory.put(x, 12 - shift);
        kernel(yPtr, xPtr, start, start + length);
        const title = `length ${length}, shift ${shift}`;
        expectSame(memory.floats(yPtr, x.length), expected, title);
        memory.expectMargins(title);
      }
    }
  });
}

spec.run();
