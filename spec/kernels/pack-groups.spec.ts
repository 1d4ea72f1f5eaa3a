/** Packing float32 rows as int8 and int4 groups: the kernels and their mirrors. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packInt4, packInt8 } from '../../src/kernels/reference/pack-groups.ts';
import { packedBlockBytes } from '../../src/kernels/reference/packed-layout.ts';
import { quantizeInt4, quantizeInt8 } from '../../src/quantize/grouped.ts';
import { encodeFloat16 } from '../../src/tensor/float16.ts';
import { oddGroups } from '../support/odd-weights.ts';
import { addPackLaws, checkPair, PACK_BUILDS, type PackKernel } from '../support/pack-cases.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('pack-groups');

const random = randomSource(7);

const KERNELS = [
  { name: 'packInt8', type: 'int8', mirror: packInt8 },
  { name: 'packInt4', type: 'int4', mirror: packInt4 },
] as const;

for (const { name, type, mirror } of KERNELS) {
  const pack: PackKernel<Float32Array> = {
    name,
    input: (rows, inFeatures) => random.signed(rows * inFeatures, 0.1),
    buffers: (x) => [x],
    packedBytes: (rows, inFeatures) => Math.ceil(rows / 8) * packedBlockBytes(type, inFeatures),
    mirror: (w, { x, rows, inFeatures, rowStart, rowEnd }) =>
      mirror(w, x, rows, inFeatures, rowStart, rowEnd),
    kernel: ({ kernels }, wPtr, [xPtr], { rows, inFeatures, rowStart, rowEnd }) =>
      kernels[name](wPtr, xPtr, rows, inFeatures, rowStart, rowEnd),
  };
  addPackLaws(spec, pack);

  for (const build of PACK_BUILDS) {
    spec(`pair: ${build.name} ${name} agrees on odd weights`, () => {
      const x = oddGroups();
      const rows = x.length / 32;
      checkPair(build, pack, { x, rows, inFeatures: 32, rowStart: 0, rowEnd: rows });
    });

    spec(`pair: ${build.name} ${name} agrees on ten thousand groups of any magnitude`, () => {
      const [rows, inFeatures] = [16, 640];
      for (let exponent = -40; exponent <= 20; exponent += 2) {
        const x = random.signed(rows * inFeatures, 2 ** exponent);
        checkPair(build, pack, { x, rows, inFeatures, rowStart: 0, rowEnd: rows });
      }
    });
  }
}

/** Rows, columns and groups a row of the laws of the layout. */
const [ROWS, IN, GROUPS] = [11, 77, 3];

/** Every group of every row of two blocks, missing rows included: its row `o`, its number `g` and
 *  where it begins. */
function* groupsOfBlocks(groupBytes: number) {
  for (let o = 0; o < 16; o++) {
    for (let g = 0; g < GROUPS; g++) {
      yield { o, g, row: o % 8, offset: groupBytes * (GROUPS * Math.floor(o / 8) + g) };
    }
  }
}

spec('law: the layout of int8 is 8 scales, then quads of the 8 rows', () => {
  const x = random.signed(ROWS * IN, 0.2);
  const { values, scales } = quantizeInt8(x, [ROWS, IN]);
  const w = new Uint8Array(2 * 272 * GROUPS).fill(99);
  packInt8(w, x, ROWS, IN, 0, ROWS);
  const view = new DataView(w.buffer);
  for (const { o, g, row, offset } of groupsOfBlocks(272)) {
    const scale = o < ROWS ? encodeFloat16(scales[GROUPS * o + g]) : 0;
    assert.is(view.getUint16(offset + 2 * row, true), scale);
    for (let k = 32 * g; k < 32 * g + 32; k++) {
      const [j, i] = [Math.floor((k % 32) / 4), k % 4];
      const q = o < ROWS && k < IN ? values[o * IN + k] : 0;
      assert.is(view.getInt8(offset + 16 + 32 * j + 4 * row + i), q, `${o} ${k}`);
    }
  }
});

spec('law: the layout of int4 is 8 scales, then quads of two halves', () => {
  const x = random.signed(ROWS * IN, 0.2);
  const { values, scales } = quantizeInt4(x, [ROWS, IN]);
  const w = new Uint8Array(2 * 144 * GROUPS).fill(99);
  packInt4(w, x, ROWS, IN, 0, ROWS);
  const view = new DataView(w.buffer);
  for (const { o, g, row, offset } of groupsOfBlocks(144)) {
    const scale = o < ROWS ? encodeFloat16(scales[GROUPS * o + g]) : 0;
    assert.is(view.getUint16(offset + 2 * row, true), scale);
    for (let k = 32 * g; k < 32 * g + 32; k++) {
      const [j, i] = [Math.floor((k % 16) / 4), k % 4];
      const byte = w[offset + 16 + 32 * j + 4 * row + i];
      const half = k % 32 < 16 ? byte & 15 : byte >> 4;
      const q = o < ROWS && k < IN ? values[o * IN + k] : 0;
      assert.is(half, q + 8, `${o} ${k}`);
    }
  }
});

spec.run();
