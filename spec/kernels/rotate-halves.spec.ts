import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rotateHalves } from '../../src/kernels/reference/rotate-halves.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';
import { randomSource } from '../support/random.ts';

const kernel = suite('rotate-halves');

/** Quarter turns per token: cos and sin are exactly 0, 1 or −1. */
function quarterTurns(turns: readonly number[], half: number) {
  const table = (values: readonly number[]) =>
    Float32Array.from(
      { length: turns.length * half },
      (_, i) => values[turns[Math.floor(i / half)]],
    );
  return { cos: table([1, 0, -1, 0]), sin: table([0, 1, 0, -1]) };
}

kernel('law: a quarter turn takes (a, b) to (-b, a), b standing D/2 channels after a', () => {
  const [H, D] = [3, 4];
  const x = Float32Array.from({ length: 2 * H * D }, (_, i) => i + 1);
  const y = new Float32Array(x.length);
  const { cos, sin } = quarterTurns([1, 0], D / 2);
  rotateHalves(y, x, cos, sin, H, D, 0, 2);
  assert.equal(Array.from(y.subarray(0, D)), [-3, -4, 1, 2]);
  assert.equal(y.subarray(H * D), x.subarray(H * D));
});

kernel('law: four quarter turns of every token give x back, in any ranges of rows', () => {
  const [T, H, D] = [5, 2, 6];
  const x = randomSource(8).signed(T * H * D);
  const { cos, sin } = quarterTurns([1, 2, 3, 0, 1], D / 2);
  let current = x;
  for (let turn = 0; turn < 4; turn++) {
    const next = new Float32Array(x.length);
    rotateHalves(next, current, cos, sin, H, D, 0, 2);
    rotateHalves(next, current, cos, sin, H, D, 2, T);
    current = next;
  }
  assert.equal(
    current.map((value) => value + 0),
    x,
  );
});

kernel('law: lengths are kept within rounding', () => {
  const [T, H, D] = [4, 3, 8];
  const x = randomSource(2).signed(T * H * D);
  const angles = randomSource(6).signed((T * D) / 2, 3);
  const y = new Float32Array(x.length);
  rotateHalves(y, x, angles.map(Math.cos), angles.map(Math.sin), H, D, 0, T);
  for (let row = 0; row < T * H; row++) {
    const square = (values: Float32Array) =>
      values.subarray(row * D, (row + 1) * D).reduce((sum, value) => sum + value * value, 0);
    assert.ok(Math.abs(square(y) / square(x) - 1) < 1e-6);
  }
});

for (const [build, memory] of Object.entries(kernelMemories(4))) {
  kernel(`pair: ${build} agrees bit for bit for every even D, at any alignment, in place`, () => {
    for (let half = 0; half <= 20; half++) {
      const [T, H, D] = [4, 1 + (half % 3), 2 * half];
      const random = randomSource(half + 1);
      const x = random.signed(T * H * D, 3);
      const [cos, sin] = [random.signed(T * half), random.signed(T * half)];
      const shift = 4 * (half % 4);
      const expected = x.slice();
      rotateHalves(expected, x, cos, sin, H, D, 1, 3);
      for (const isInPlace of [false, true]) {
        memory.reset();
        const xPtr = memory.put(x, shift);
        const [cosPtr, sinPtr] = [memory.put(cos, 12 - shift), memory.put(sin, 8)];
        const yPtr = isInPlace ? xPtr : memory.put(x, 4);
        memory.kernels.rotateHalves(yPtr, xPtr, cosPtr, sinPtr, H, D, 1, 3);
        expectSame(memory.floats(yPtr, x.length), expected, `D ${D}`);
        memory.expectMargins(`D ${D}`);
      }
    }
  });
}

kernel.run();
