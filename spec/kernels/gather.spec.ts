/** Rows of a table: the kernels and their mirrors. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  gatherBf16,
  gatherF16,
  gatherF32,
  gatherInt8,
} from '../../src/kernels/reference/gather.ts';
import { expectSame, kernelMemories } from '../support/kernel-memory.ts';

const spec = suite('gather');

const ROWS = 5;
const IDS = Uint32Array.of(3, 0, 4, 3, 1);

/** Any bits: both signs, subnormal numbers, infinities and NaN. */
function bits(length: number, seed: number): Uint16Array {
  return Uint16Array.from({ length }, (_, i) => Math.imul(i + seed, 40_503));
}

/** Groups of a scale and 32 quants, −128 among them. */
function groups(count: number): Uint8Array {
  const bytes = Uint8Array.from({ length: 34 * count }, (_, i) => Math.imul(i, 167) >>> 1);
  const view = new DataView(bytes.buffer);
  const scales = [0x3c00, 0x2e66, 0xb555, 0x0001, 0x0000, 0x7bff];
  for (let group = 0; group < count; group++) {
    view.setUint16(34 * group, scales[group % scales.length], true);
    view.setInt8(34 * group + 2 + (group % 32), -128);
  }
  return bytes;
}

type Rest = [ids: Uint32Array, C: number, rowStart: number, rowEnd: number];

/** A table of some width, and the mirror over its bytes. */
interface Kind {
  table(C: number): Uint8Array;
  mirror(y: Float32Array, table: Uint8Array, ...rest: Rest): void;
}

const bytesOf = ({ buffer }: Uint16Array) => new Uint8Array(buffer);
const halves = ({ buffer }: Uint8Array) => new Uint16Array(buffer);

const KINDS: Record<'gatherF32' | 'gatherBf16' | 'gatherF16' | 'gatherInt8', Kind> = {
  gatherF32: {
    table: (C) => bytesOf(bits(2 * ROWS * C, C)),
    mirror: (y, table, ...rest) => gatherF32(y, new Float32Array(table.buffer), ...rest),
  },
  gatherBf16: {
    table: (C) => bytesOf(bits(ROWS * C, C)),
    mirror: (y, table, ...rest) => gatherBf16(y, halves(table), ...rest),
  },
  gatherF16: {
    table: (C) => bytesOf(bits(ROWS * C, C)),
    mirror: (y, table, ...rest) => gatherF16(y, halves(table), ...rest),
  },
  gatherInt8: { table: (C) => groups(ROWS * Math.ceil(C / 32)), mirror: gatherInt8 },
};

const NAMES = ['gatherF32', 'gatherBf16', 'gatherF16', 'gatherInt8'] as const;

spec('law: rows come in the order asked for, repeated ones too', () => {
  const table = Float32Array.from({ length: 4 * 3 }, (_, i) => i);
  const y = new Float32Array(9);
  gatherF32(y, table, Uint32Array.of(3, 0, 3), 3, 0, 3);
  assert.equal(Array.from(y), [9, 10, 11, 0, 1, 2, 9, 10, 11]);
});

spec('golden: an int8 row is groups of 32 with a binary16 scale', () => {
  const table = new Uint8Array(2 * 34);
  const view = new DataView(table.buffer);
  view.setUint16(0, 0x3800, true); // 0.5
  view.setUint16(34, 0xc000, true); // −2
  for (let i = 0; i < 32; i++) {
    view.setInt8(2 + i, i - 128);
    view.setInt8(36 + i, 127 - i);
  }
  const y = new Float32Array(35);
  gatherInt8(y, table, Uint32Array.of(0), 35, 0, 1);
  const expected = Array.from({ length: 35 }, (_, i) =>
    i < 32 ? (i - 128) / 2 : -2 * (127 - (i - 32)),
  );
  assert.equal(Array.from(y), expected);
});

for (const [build, memory] of Object.entries(kernelMemories(4))) {
  for (const name of NAMES) {
    spec(`pair: ${build} ${name} agrees bit for bit, at every width and alignment`, () => {
      for (const C of [...Array(70).keys(), 95, 96, 97]) {
        const table = KINDS[name].table(C);
        const expected = new Float32Array(IDS.length * C).fill(-7);
        const untouched = expected.slice();
        KINDS[name].mirror(expected, table, IDS, C, 1, 4);
        memory.reset();
        const shift = 4 * (C % 4);
        const [yPtr, idsPtr] = [memory.put(untouched, shift), memory.put(IDS, 4)];
        const tablePtr = memory.put(table, 12 - shift);
        memory.kernels[name](yPtr, tablePtr, idsPtr, C, 1, 4);
        expectSame(memory.floats(yPtr, expected.length), expected, `${name} ${C}`);
        memory.expectMargins(`${name} ${C}`);
      }
    });
  }
}

spec.run();
