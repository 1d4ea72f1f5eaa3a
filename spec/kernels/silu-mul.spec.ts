import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { siluMul } from '../../src/kernels/reference/silu-mul.ts';
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

kernel.run();
