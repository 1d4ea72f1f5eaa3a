/** Repacking Q8_0 and Q4_0 blocks of a file: the kernels and their mirrors. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packQ4_0, packQ8_0 } from '../../src/kernels/reference/pack-blocks.ts';
import { packInt4, packInt8 } from '../../src/kernels/reference/pack-groups.ts';
import { packedBlockBytes } from '../../src/kernels/reference/packed-layout.ts';
import { quantizeRowsQ8 } from '../../src/kernels/reference/quantize-rows.ts';
import { quantizeInt4 } from '../../src/quantize/grouped.ts';
import { encodeFloat16 } from '../../src/tensor/float16.ts';
import { addPackLaws } from '../support/pack-cases.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('pack-blocks');

const KERNELS = [
  { name: 'packQ8_0', type: 'int8', blockBytes: 34, mirror: packQ8_0 },
  { name: 'packQ4_0', type: 'int4', blockBytes: 18, mirror: packQ4_0 },
] as const;

for (const { name, type, blockBytes, mirror } of KERNELS) {
  addPackLaws<Uint8Array>(spec, {
    name,
    // Any bytes: −128, scales that are NaN, and garbage past the end of a row.
    input: (rows, inFeatures) =>
      Uint8Array.from(
        { length: rows * Math.ceil(inFeatures / 32) * blockBytes },
        (_, i) => (i * 151 + inFeatures) % 256,
      ),
    buffers: (x) => [x],
    packedBytes: (rows, inFeatures) => Math.ceil(rows / 8) * packedBlockBytes(type, inFeatures),
    mirror: (w, { x, rows, inFeatures, rowStart, rowEnd }) =>
      mirror(w, x, rows, inFeatures, rowStart, rowEnd),
    kernel: ({ kernels }, wPtr, [xPtr], { rows, inFeatures, rowStart, rowEnd }) =>
      kernels[name](wPtr, xPtr, rows, inFeatures, rowStart, rowEnd),
  });
}

spec('law: Q8_0 blocks of quantized rows pack to what the rows pack to', () => {
  const [rows, C] = [13, 75];
  const x = randomSource(5).signed(rows * C, 0.3);
  const blocks = new Uint8Array(rows * 3 * 34);
  quantizeRowsQ8(blocks, x, C, 0, rows);
  const [found, expected] = [new Uint8Array(2 * 272 * 3), new Uint8Array(2 * 272 * 3)];
  packQ8_0(found, blocks, rows, C, 0, rows);
  packInt8(expected, x, rows, C, 0, rows);
  assert.equal(found, expected);
});

spec('law: Q4_0 blocks of quantized rows pack to what the rows pack to', () => {
  const [rows, C] = [13, 96];
  const x = randomSource(6).signed(rows * C, 0.3);
  const { values, scales } = quantizeInt4(x, [rows, C]);
  // A block as ggml lays it out: the scale, then element j with element j + 16.
  const blocks = new Uint8Array(rows * 3 * 18);
  for (let index = 0; index < rows * 3; index++) {
    new DataView(blocks.buffer).setUint16(18 * index, encodeFloat16(scales[index]), true);
    for (let j = 0; j < 16; j++) {
      const [low, high] = [values[32 * index + j] + 8, values[32 * index + j + 16] + 8];
      blocks[18 * index + 2 + j] = low | (high << 4);
    }
  }
  const [found, expected] = [new Uint8Array(2 * 144 * 3), new Uint8Array(2 * 144 * 3)];
  packQ4_0(found, blocks, rows, C, 0, rows);
  packInt4(expected, x, rows, C, 0, rows);
  assert.equal(found, expected);
});

spec.run();
