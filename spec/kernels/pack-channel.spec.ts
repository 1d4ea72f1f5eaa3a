/** Packing rows with one float32 scale each: the kernels and their mirrors. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  packInt4Channel,
  packInt4ChannelValues,
  packInt8Channel,
  packInt8ChannelValues,
} from '../../src/kernels/reference/pack-channel.ts';
import { packedBlockBytes } from '../../src/kernels/reference/packed-layout.ts';
import { quantizeInt4Channel, quantizeInt8Channel } from '../../src/quantize/by-channel.ts';
import { oddGroups } from '../support/odd-weights.ts';
import { addPackLaws, checkPair, PACK_BUILDS, type PackKernel } from '../support/pack-cases.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('pack-channel');

const random = randomSource(17);

const KERNELS = [
  { name: 'packInt8Channel', type: 'int8-channel', mirror: packInt8Channel },
  { name: 'packInt4Channel', type: 'int4-channel', mirror: packInt4Channel },
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

    spec(`pair: ${build.name} ${name} agrees on rows of any magnitude`, () => {
      const [rows, inFeatures] = [8, 1280];
      for (let exponent = -150; exponent <= 120; exponent += 9) {
        const x = random.signed(rows * inFeatures, 2 ** exponent);
        checkPair(build, pack, { x, rows, inFeatures, rowStart: 0, rowEnd: rows });
      }
    });
  }
}

interface Quantized {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

const VALUE_KERNELS = [
  // Every value but those of the poison, −128 included.
  { name: 'packInt8ChannelValues', type: 'int8-channel', mirror: packInt8ChannelValues, of: 255 },
  { name: 'packInt4ChannelValues', type: 'int4-channel', mirror: packInt4ChannelValues, of: 16 },
] as const;

for (const { name, type, mirror, of } of VALUE_KERNELS) {
  addPackLaws<Quantized>(spec, {
    name,
    input: (rows, inFeatures) => ({
      values: Int8Array.from(
        { length: rows * inFeatures },
        (_, i) => ((i * 37) % of) - Math.ceil(of / 2),
      ),
      scales: random.signed(rows, 0.1),
    }),
    buffers: ({ values, scales }) => [scales, values],
    packedBytes: (rows, inFeatures) => Math.ceil(rows / 8) * packedBlockBytes(type, inFeatures),
    mirror: (w, { x: { values, scales }, rows, inFeatures, rowStart, rowEnd }) =>
      mirror(w, values, scales, rows, inFeatures, rowStart, rowEnd),
    kernel: ({ kernels }, wPtr, [scalesPtr, valuesPtr], { rows, inFeatures, rowStart, rowEnd }) =>
      kernels[name](wPtr, valuesPtr, scalesPtr, rows, inFeatures, rowStart, rowEnd),
  });
}

/** Rows, columns and groups a row of the laws of the layout. */
const [ROWS, IN, GROUPS] = [11, 77, 3];

spec('law: the layout of int8-channel is 8 scales, then the quads of every group', () => {
  const x = random.signed(ROWS * IN, 0.2);
  const { values, scales } = quantizeInt8Channel(x, [ROWS, IN]);
  const blockBytes = 32 + 256 * GROUPS;
  const w = new Uint8Array(2 * blockBytes).fill(99);
  packInt8Channel(w, x, ROWS, IN, 0, ROWS);
  const view = new DataView(w.buffer);
  for (let o = 0; o < 16; o++) {
    const [offset, row] = [blockBytes * Math.floor(o / 8), o % 8];
    assert.is(view.getFloat32(offset + 4 * row, true), o < ROWS ? scales[o] : 0);
    for (let k = 0; k < 32 * GROUPS; k++) {
      const at = offset + 32 + 32 * Math.floor(k / 4) + 4 * row + (k % 4);
      assert.is(view.getInt8(at), o < ROWS && k < IN ? values[o * IN + k] : 0, `${o} ${k}`);
    }
  }
});

spec('law: the layout of int4-channel is 8 scales, then quads of two halves', () => {
  const x = random.signed(ROWS * IN, 0.2);
  const { values, scales } = quantizeInt4Channel(x, [ROWS, IN]);
  const blockBytes = 32 + 128 * GROUPS;
  const w = new Uint8Array(2 * blockBytes).fill(99);
  packInt4Channel(w, x, ROWS, IN, 0, ROWS);
  const view = new DataView(w.buffer);
  for (let o = 0; o < 16; o++) {
    const [offset, row] = [blockBytes * Math.floor(o / 8), o % 8];
    assert.is(view.getFloat32(offset + 4 * row, true), o < ROWS ? scales[o] : 0);
    for (let k = 0; k < 32 * GROUPS; k++) {
      const group = offset + 32 + 128 * Math.floor(k / 32);
      const byte = w[group + 32 * Math.floor((k % 16) / 4) + 4 * row + (k % 4)];
      const half = k % 32 < 16 ? byte & 15 : byte >> 4;
      assert.is(half, (o < ROWS && k < IN ? values[o * IN + k] : 0) + 8, `${o} ${k}`);
    }
  }
});

spec.run();
