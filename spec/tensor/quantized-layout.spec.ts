import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FILE_BLOCK_BYTES, readFileBlocks } from '../../src/tensor/file-blocks.ts';
import {
  joinBlocks,
  packPairs,
  splitBlocks,
  unpackPairs,
} from '../../src/tensor/quantized-layout.ts';
import { randomSource } from '../support/random.ts';

const layout = suite('quantized-layout');

const random = randomSource(5);
const bytesOf = (length: number) =>
  Uint8Array.from(random.signed(length, 1), (value) => Math.floor((value + 1) * 128));

for (const type of ['Q8_0', 'Q4_0'] as const) {
  layout(`law: ${type} blocks hold the values and scales that they are joined of`, () => {
    const [rows, perByte] = [3, type === 'Q8_0' ? 1 : 2];
    for (let columns = perByte; columns <= 100; columns += perByte) {
      const groups = Math.ceil(columns / 32);
      const values = bytesOf((rows * columns) / perByte);
      // Scales of 1, so that q itself comes out of the reader.
      const scales = new Uint8Array(new Uint16Array(rows * groups).fill(0x3c00).buffer);
      const blocks = joinBlocks(type, values, scales, columns);
      assert.is(blocks.length, rows * groups * FILE_BLOCK_BYTES[type]);
      const read = readFileBlocks(type, blocks, columns);
      const q =
        type === 'Q8_0'
          ? [...new Int8Array(values.buffer)]
          : [...values].flatMap((byte) => [(byte & 15) - 8, (byte >> 4) - 8]);
      assert.equal([...read.values], q, `${columns} columns`);
      assert.ok(read.scales.every((scale) => scale === 1));
      assert.equal(splitBlocks(type, blocks, columns), { values, scales });
    }
  });

  layout(`law: the scales of ${type} keep their 16 bits and their places`, () => {
    const [rows, columns, groups] = [2, 70, 3];
    const scales = bytesOf(2 * rows * groups);
    const values = bytesOf(type === 'Q8_0' ? rows * columns : (rows * columns) / 2);
    const blocks = joinBlocks(type, values, scales, columns);
    for (let block = 0; block < rows * groups; block++) {
      const at = block * FILE_BLOCK_BYTES[type];
      assert.equal(
        [...blocks.subarray(at, at + 2)],
        [...scales.subarray(2 * block, 2 * block + 2)],
      );
    }
    assert.equal(splitBlocks(type, blocks, columns).scales, scales);
  });
}

layout('law: what completes a short group is zero', () => {
  const scales = new Uint8Array(new Uint16Array([0x3c00]).buffer);
  assert.equal([...joinBlocks('Q8_0', Uint8Array.of(7), scales, 1).subarray(3)], Array(31).fill(0));
  const four = joinBlocks('Q4_0', Uint8Array.of(0x9f), scales, 2);
  assert.equal([...readFileBlocks('Q4_0', four, 32).values], [7, 1, ...Array(30).fill(0)]);
});

layout('law: pairs hold q + 8 of two weights, the first in the low half', () => {
  const q = Int8Array.from({ length: 256 * 2 }, (_, i) => (i % 2 === 0 ? i >> 1 : i >> 5) % 16).map(
    (value) => value - 8,
  );
  const pairs = packPairs(new Uint8Array(q.buffer));
  assert.equal(new Int8Array(unpackPairs(pairs).buffer), q);
  assert.equal(
    [...pairs],
    Array.from(pairs, (_, j) => q[2 * j] + 8 + 16 * (q[2 * j + 1] + 8)),
  );
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  assert.equal(packPairs(unpackPairs(all)), all);
});

layout.run();
