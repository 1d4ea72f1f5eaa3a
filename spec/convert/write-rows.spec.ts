import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TargetTensor } from '../../src/convert/targets.ts';
import { convertedBlocks } from '../../src/convert/write-rows.ts';
import type { StoredTensor } from '../../src/formats/checkpoint.ts';

const rows = suite('write-rows');

const MIB = 2 ** 20;

/** A tensor of zeros that keeps account of what is read at once. */
function zeros(shape: readonly [number, number]) {
  const reads: [number, number][] = [];
  const byteLength = 2 * shape[0] * shape[1];
  const stored: StoredTensor = {
    ...{ name: 'x.weight', dtype: 'BF16', shape, byteLength, file: 'memory' },
    read: async (offset, length) => {
      reads.push([offset, length]);
      return new Uint8Array(length);
    },
  };
  const target: TargetTensor = {
    ...{ name: stored.name, role: 'linear', stored, shape, dtype: 'BF16' },
    convert: (block) => block,
  };
  return { target, reads, byteLength };
}

rows('law: a tensor of any size is read once, in order, in blocks of at most 8 MiB', async () => {
  for (const shape of [
    [13_696, 5120],
    [1000, 3],
    [3, 2 ** 19],
    [1, 7],
  ] as const) {
    const { target, reads, byteLength } = zeros(shape);
    let [reported, given] = [0, 0];
    const options = {
      signal: undefined,
      report: (_: string, bytes: number) => {
        reported += bytes;
      },
      onNotFinite: () => assert.unreachable(),
    };
    for await (const { bytes } of convertedBlocks(target, options)) given += bytes.length;
    assert.equal([reported, given], [byteLength, byteLength]);
    let end = 0;
    for (const [offset, length] of reads) {
      assert.is(offset, end);
      assert.ok(length <= 8 * MIB, `${length} bytes at once`);
      end += length;
    }
    assert.is(end, byteLength);
    if (byteLength > 100 * MIB) assert.ok(reads.length < byteLength / MIB, 'blocks are not tiny');
  }
});

rows.run();
