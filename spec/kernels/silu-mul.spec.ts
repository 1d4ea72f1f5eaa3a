import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { siluMul } from '../../src/kernels/reference/silu-mul.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';
import { randomSource } from '../support/random.ts';

const kernel = suite('silu-mul');

kernel('law: silu(g) = g / (1 + e^-g) within four ULP over the whole range', () => {
  const gate = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 20);
  const up = new Float32Array(gate.length).fill(1);
  const [y, activated] = [new Float32Array(gate.length), new Float32Array(gate.length)];
  siluMul(y, gate, up, activated, 0, gate.length);
  assert.equal(y, activated);
  y.forEach((value, i) => {
    const expected = gate[i] / (1 + Math.exp(-gate[i]));
    assert.ok(
      Math.abs(value - expected) <= 4 * 2 ** -24 * Math.abs(expected) + 3e-37,
      `${gate[i]}`,
    );
  });
});

kernel('law: far below zero it fades to zero without NaN, far above it is the gate', () => {
  const gate = Float32Array.of(-1e30, -200, -89, 0, 89, 1e30, Number.NaN);
  const y = new Float32Array(7);
  siluMul(y, gate, new Float32Array(7).fill(1), null, 0, 7);
  assert.equal(Array.from(y.subarray(0, 6), Math.abs), [
    0,
    0,
    Math.abs(y[2]),
    0,
    89,
    Math.fround(1e30),
  ]);
  assert.ok(Math.abs(y[2]) < 1e-36);
  assert.ok(Number.isNaN(y[6]));
});

kernel('law: gate is activated and up is multiplied, in the given range only', () => {
  const random = randomSource(4);
  const [gate, up] = [random.signed(21, 6), random.signed(21)];
  const [y, activated] = [new Float32Array(21).fill(-7), new Float32Array(21)];
  siluMul(y, gate, up, activated, 4, 17);
  y.forEach((value, i) => {
    const inside = i >= 4 && i < 17;
    assert.is(value, inside ? Math.fround(activated[i] * up[i]) : -7);
  });
});

/** Ordinary gates and those at which the exponential ends. */
function gates(length: number, seed: number): Float32Array {
  const special = [0, -0, 89, -89, 1e30, -1e30, Number.NaN, 1 / 0, -1 / 0, -104, 1e-40];
  return randomSource(seed)
    .signed(length, 12)
    .map((gate, i) => (i % 5 === 4 ? special[(i + seed) % special.length] : gate));
}

for (const [build, memory] of Object.entries(kernelMemories(4))) {
  kernel(`pair: ${build} agrees bit for bit, at every length, alignment and start`, () => {
    for (let length = 0; length <= 40; length++) {
      for (const isObserved of [true, false]) {
        const start = length % 6;
        const end = start + length;
        const [gate, up] = [gates(end + 3, length), randomSource(length + 1).signed(end + 3, 2)];
        const [y, activated] = [gate.slice().fill(-7), gate.slice().fill(-7)];
        siluMul(y, gate, up, isObserved ? activated : null, start, end);
        memory.reset();
        const shift = 4 * (length % 4);
        const pointers = [memory.put(gate, shift), memory.put(up, 12 - shift)];
        const untouched = new Float32Array(gate.length).fill(-7);
        const [yPtr, activatedPtr] = [memory.put(untouched, 4), memory.put(untouched, shift)];
        const seen = isObserved ? activatedPtr : 0;
        memory.kernels.siluMul(yPtr, pointers[0], pointers[1], seen, start, end);
        expectSame(memory.floats(yPtr, y.length), y, `length ${length}`);
        expectSame(memory.floats(activatedPtr, y.length), activated, `activated, ${length}`);
        memory.expectMargins(`length ${length}`);
      }
    }
  });

  kernel(`pair: ${build} may write where gate or up stood`, () => {
    const [gate, up] = [gates(11, 1), randomSource(2).signed(11)];
    const expected = new Float32Array(11);
    siluMul(expected, gate, up, null, 0, 11);
    for (const target of [0, 1]) {
      memory.reset();
      const pointers = [memory.put(gate), memory.put(up)];
      memory.kernels.siluMul(pointers[target], pointers[0], pointers[1], 0, 0, 11);
      expectSame(memory.floats(pointers[target], 11), expected, `target ${target}`);
    }
  });
}

kernel.run();
