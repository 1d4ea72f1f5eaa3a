/** Interleaving rows of float32 and 16-bit numbers: the kernels and their mirrors. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packF32, packHalf } from '../../src/kernels/reference/pack-floats.ts';
import { addPackLaws } from '../support/pack-cases.ts';

const spec = suite('pack-floats');

addPackLaws<Uint32Array>(spec, {
  name: 'packF32',
  // Any bits, NaN with any fraction included.
  input: (rows, inFeatures) =>
    Uint32Array.from({ length: rows * inFeatures }, (_, i) => Math.imul(i + 1, 0x9e3779b1)),
  buffers: (x) => [x],
  packedBytes: (rows, inFeatures) => Math.ceil(rows / 8) * 32 * inFeatures,
  mirror: (w, { x, rows, inFeatures, rowStart, rowEnd }) =>
    packF32(new Uint32Array(w.buffer), x, rows, inFeatures, rowStart, rowEnd),
  kernel: ({ kernels }, wPtr, [xPtr], { rows, inFeatures, rowStart, rowEnd }) =>
    kernels.packF32(wPtr, xPtr, rows, inFeatures, rowStart, rowEnd),
});

addPackLaws<Uint16Array>(spec, {
  name: 'packHalf',
  input: (rows, inFeatures) =>
    Uint16Array.from({ length: rows * inFeatures }, (_, i) => Math.imul(i + 1, 40_503)),
  buffers: (x) => [x],
  packedBytes: (rows, inFeatures) => Math.ceil(rows / 8) * 16 * inFeatures,
  mirror: (w, { x, rows, inFeatures, rowStart, rowEnd }) =>
    packHalf(new Uint16Array(w.buffer), x, rows, inFeatures, rowStart, rowEnd),
  kernel: ({ kernels }, wPtr, [xPtr], { rows, inFeatures, rowStart, rowEnd }) =>
    kernels.packHalf(wPtr, xPtr, rows, inFeatures, rowStart, rowEnd),
});

spec('law: number k of row r stands at place r of column k of its block', () => {
  const [rows, inFeatures] = [11, 5];
  const x = Uint32Array.from({ length: rows * inFeatures }, (_, i) => i + 1);
  const w = new Uint32Array(2 * inFeatures * 8).fill(999);
  packF32(w, x, rows, inFeatures, 0, rows);
  for (let o = 0; o < 16; o++) {
    for (let k = 0; k < inFeatures; k++) {
      const found = w[8 * inFeatures * Math.floor(o / 8) + 8 * k + (o % 8)];
      assert.is(found, o < rows ? o * inFeatures + k + 1 : 0);
    }
  }
});

spec.run();
