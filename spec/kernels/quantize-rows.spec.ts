/** Quantizing the rows of a table to Q8_0 blocks: the kernel and its mirror. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quantizeRowsQ8 } from '../../src/kernels/reference/quantize-rows.ts';
import { quantizeInt8 } from '../../src/quantize/grouped.ts';
import { decodeFloat16 } from '../../src/tensor/float16.ts';
import { dequantize } from '../../src/tensor/quantized.ts';
import { oddGroups } from '../support/odd-weights.ts';
import { addPackLaws, checkPair, PACK_BUILDS, type PackKernel } from '../support/pack-cases.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('quantize-rows');

const random = randomSource(27);

const pack: PackKernel<Float32Array> = {
  name: 'quantizeRowsQ8',
  input: (rows, C) => random.signed(rows * C, 0.1),
  buffers: (x) => [x],
  packedBytes: (rows, C) => rows * Math.ceil(C / 32) * 34,
  mirror: (y, { x, inFeatures, rowStart, rowEnd }) =>
    quantizeRowsQ8(y, x, inFeatures, rowStart, rowEnd),
  kernel: ({ kernels }, yPtr, [xPtr], { inFeatures, rowStart, rowEnd }) =>
    kernels.quantizeRowsQ8(yPtr, xPtr, inFeatures, rowStart, rowEnd),
};
addPackLaws(spec, pack);

for (const build of PACK_BUILDS) {
  spec(`pair: ${build.name} quantizeRowsQ8 agrees on odd weights`, () => {
    const x = oddGroups();
    const rows = x.length / 32;
    checkPair(build, pack, { x, rows, inFeatures: 32, rowStart: 0, rowEnd: rows });
  });
}

spec('law: scale · q of the blocks is the dequantized matrix, and the rest is zero', () => {
  const [rows, C] = [7, 75];
  const x = random.signed(rows * C, 0.3);
  const y = new Uint8Array(rows * 3 * 34).fill(99);
  quantizeRowsQ8(y, x, C, 0, rows);
  const expected = dequantize(quantizeInt8(x, [rows, C]));
  const view = new DataView(y.buffer);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < 96; k++) {
      const block = 34 * (3 * row + Math.floor(k / 32));
      const weight =
        decodeFloat16(view.getUint16(block, true)) * view.getInt8(block + 2 + (k % 32));
      assert.is(weight, k < C ? expected[row * C + k] : 0, `${row} ${k}`);
    }
  }
});

spec.run();
