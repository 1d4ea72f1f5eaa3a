/** Writing keys and values into the blocks of the cache: the kernels, their mirrors, and what the
 *  blocks hold. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  appendKeyValueF32,
  appendKeyValueInt8,
  quantizeRow,
} from '../../src/kernels/reference/append-key-value.ts';
import {
  keyIndexF32,
  keyIndexInt8,
  keyScaleIndex,
  valueIndexF32,
  valueIndexInt8,
  valueScaleIndex,
} from '../../src/kernels/reference/key-value-layout.ts';
import { cacheBlockBytes } from '../../src/kernels/wasm/layout.ts';
import { kernelMemories } from '../support/kernel-memory.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('append-key-value');

const POISON = 0xff;

/** Rows of very different size, of zeros, and with a tie at half a step. */
function rows(T: number, H: number, D: number, seed: number): Float32Array {
  const x = randomSource(seed).signed(T * H * D);
  for (let row = 0; row < T * H; row++) {
    const scale = [1, 1e-3, 1e6, 0, 2 ** -110, 127][row % 6];
    for (let i = 0; i < D; i++) x[row * D + i] *= scale;
    if (row % 6 === 5 && D > 2) x.set([127, 2.5, -3.5], row * D);
  }
  return x;
}

const FORMATS = {
  f32: {
    kernel: 'appendKeyValueF32',
    mirror: (table: readonly Uint8Array[], ...rest: MirrorArguments) =>
      appendKeyValueF32(
        table.map(({ buffer }) => new Float32Array(buffer)),
        ...rest,
      ),
  },
  int8: {
    kernel: 'appendKeyValueInt8',
    mirror: (table: readonly Uint8Array[], ...rest: MirrorArguments) =>
      appendKeyValueInt8(
        table.map(({ buffer }) => new Int8Array(buffer)),
        ...rest,
      ),
  },
} as const;

/** Gives every float32 NaN the same bits: engines differ in its sign. */
function unifyNaN(block: Uint8Array<ArrayBuffer>): void {
  const floats = new Float32Array(block.buffer);
  floats.forEach((value, i) => {
    if (Number.isNaN(value)) floats[i] = Number.NaN;
  });
}

type MirrorArguments = [
  key: Float32Array,
  value: Float32Array,
  H: number,
  D: number,
  position: number,
  rowStart: number,
  rowEnd: number,
];

spec('law: every element of a block has one place, and together they fill it', () => {
  for (const D of [1, 3, 4, 31, 32, 33, 70]) {
    const [H, places] = [2, new Set<number>()];
    const bytes = new Set<number>();
    for (let index = 0; index < H * 64 * D; index++) {
      const [i, slot, h] = [index % D, Math.floor(index / D) % 64, Math.floor(index / D / 64)];
      places.add(keyIndexF32(D, h, slot, i)).add(valueIndexF32(H, D, h, slot, i));
      bytes.add(keyIndexInt8(D, h, slot, i)).add(valueIndexInt8(H, D, h, slot, i));
    }
    assert.is(places.size, 2 * H * 64 * D);
    assert.is(bytes.size, 2 * H * 64 * D);
    assert.is(Math.max(...places), cacheBlockBytes('f32', H, D) / 4 - 1);
    for (let row = 0; row < H * 64; row++) {
      const [slot, h] = [row % 64, Math.floor(row / 64)];
      for (const at of [keyScaleIndex(D, h, slot), valueScaleIndex(H, D, h, slot)]) {
        for (let byte = at; byte < at + 4; byte++) bytes.add(byte);
      }
    }
    assert.is(bytes.size, 2 * H * 64 * (D + 4));
    assert.ok(Math.max(...bytes) < cacheBlockBytes('int8', H, D));
  }
});

spec('law: int8 is within half a step of the row, whose greatest is 127 steps', () => {
  for (const x of [rows(1, 1, 97, 3), rows(1, 6, 97, 4).subarray(5 * 97)]) {
    const { q, scale } = quantizeRow(x);
    const greatest = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    assert.is(scale, Math.fround(greatest / 127));
    assert.ok(q.every((value) => value >= -127) && q.some((value) => Math.abs(value) === 127));
    x.forEach((value, i) => {
      assert.ok(Math.abs(value - q[i] * scale) <= (0.5 + 2 ** -15) * scale);
    });
  }
});

spec('golden: ties go to the even step, tiny rows to zero, NaN and infinity into the scale', () => {
  const ties = quantizeRow(Float32Array.of(127, 2.5, -3.5, 0.5, -0.5, 1.5));
  assert.equal([...ties.q, ties.scale], [127, 2, -4, 0, 0, 2, 1]);
  const tiny = quantizeRow(Float32Array.of(2 ** -101, -(2 ** -102)));
  assert.equal([...tiny.q, tiny.scale], [0, 0, 0]);
  const infinite = quantizeRow(Float32Array.of(1, Number.NEGATIVE_INFINITY));
  assert.equal([...infinite.q, infinite.scale], [0, 0, Number.POSITIVE_INFINITY]);
  const bad = quantizeRow(Float32Array.of(1, Number.NaN));
  assert.equal([...bad.q], [0, 0]);
  assert.ok(Number.isNaN(bad.scale));
});

for (const [build, memory] of Object.entries(kernelMemories(24))) {
  for (const [format, { kernel, mirror }] of Object.entries(FORMATS)) {
    /** Appends in the kernel and in the mirror, and compares every byte of the blocks. */
    const check = (D: number, position: number, T: number, given?: Float32Array) => {
      const H = 1 + (D % 3);
      const [key, value] = [given ?? rows(T, H, D, D), rows(T, H, D, D + position + 1)];
      const [rowStart, rowEnd] = T > 3 ? [1, T - 1] : [0, T];
      const blockBytes = cacheBlockBytes(format as keyof typeof FORMATS, H, D);
      const count = Math.ceil((position + T) / 64);
      const expected = Array.from({ length: count }, () => new Uint8Array(blockBytes).fill(POISON));
      mirror(expected, key, value, H, D, position, rowStart, rowEnd);

      memory.reset();
      const shift = 4 * (D % 4);
      const blocks = expected.map(() => memory.reserve(blockBytes, shift));
      const tablePtr = memory.put(Uint32Array.from(blocks), 4);
      const [keyPtr, valuePtr] = [memory.put(key, 12 - shift), memory.put(value, 8)];
      memory.kernels[kernel](tablePtr, keyPtr, valuePtr, H, D, position, rowStart, rowEnd);
      const title = `${format}, D ${D}, position ${position}, T ${T}`;
      blocks.forEach((pointer, index) => {
        const found = memory.bytes(pointer, blockBytes).slice();
        if (given) [found, expected[index]].forEach(unifyNaN);
        const place = found.findIndex((byte, i) => byte !== expected[index][i]);
        assert.is(place, -1, `${title}: byte ${place} of block ${index}`);
      });
      memory.expectMargins(title);
    };

    spec(`pair: ${build} ${format} agrees bit for bit for every D`, () => {
      for (let D = 1; D <= 70; D++) check(D, (D * 7) % 67, 3);
      check(128, 61, 5);
    });

    spec(`pair: ${build} ${format} agrees at positions 0 to 130, across the borders`, () => {
      for (let position = 0; position <= 130; position++) check(6, position, position % 10);
    });

    spec(`pair: ${build} ${format} agrees on NaN and infinities`, () => {
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (let place = 0; place < 5; place++) {
          const given = randomSource(place).signed(2 * 3 * 5);
          given[5 + place] = bad;
          check(5, 9, 2, given);
        }
      }
    });
  }
}

spec.run();
