import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ParameterRows } from '../../src/kernels/kernels.ts';
import { countNotFinite, findNotFinite } from '../../src/kernels/not-finite.ts';

const notFinite = suite('not-finite');

const bytesOf = (numbers: { readonly buffer: ArrayBufferLike }) => new Uint8Array(numbers.buffer);

/** Rows of 40 elements: 3 rows, two groups a row; `put` spoils number `index`. */
const [ROWS, COLUMNS] = [3, 40];

interface Spoiled {
  readonly rows: (
    bits: readonly (readonly [index: number, kind: 'nan' | 'inf'])[],
  ) => ParameterRows;
  /** Elements that a number stands for: the first of number i. */
  readonly first: (index: number) => number;
  readonly numbers: number;
}

const WORDS = { nan: 0xffc00001, inf: 0xff800000 };

function floats(dtype: 'F32' | 'F16' | 'BF16'): Spoiled {
  const halves = { F16: { nan: 0x7e01, inf: 0xfc00 }, BF16: { nan: 0xffc1, inf: 0x7f80 } };
  return {
    numbers: ROWS * COLUMNS,
    first: (index) => index,
    rows: (bits) => {
      // The greatest finite number of each type is none of the wanted.
      const numbers =
        dtype === 'F32'
          ? new Uint32Array(ROWS * COLUMNS).fill(0x7f7fffff)
          : new Uint16Array(ROWS * COLUMNS).fill(dtype === 'F16' ? 0x7bff : 0x7f7f);
      for (const [index, kind] of bits) {
        numbers[index] = dtype === 'F32' ? WORDS[kind] : halves[dtype][kind];
      }
      return { dtype, bytes: bytesOf(numbers) };
    },
  };
}

function blocks(dtype: 'Q8_0' | 'Q4_0'): Spoiled {
  const blockBytes = dtype === 'Q8_0' ? 34 : 18;
  return {
    numbers: ROWS * 2,
    first: (index) => Math.floor(index / 2) * COLUMNS + (index % 2) * 32,
    rows: (bits) => {
      const bytes = new Uint8Array(ROWS * 2 * blockBytes).fill(0x7b);
      for (const [index, kind] of bits) {
        bytes.set(kind === 'nan' ? [1, 0x7c] : [0, 0xfc], index * blockBytes);
      }
      return { dtype, bytes };
    },
  };
}

function byRow(dtype: 'I8' | 'I4'): Spoiled {
  return {
    numbers: ROWS,
    first: (index) => index * COLUMNS,
    rows: (bits) => {
      const scales = new Uint32Array(ROWS).fill(0x7f7fffff);
      for (const [index, kind] of bits) scales[index] = WORDS[kind];
      const bytes = new Uint8Array(ROWS * COLUMNS).fill(255);
      return { dtype, bytes, scales: new Float32Array(scales.buffer) };
    },
  };
}

const CASES: Record<string, Spoiled> = {
  ...{ F32: floats('F32'), F16: floats('F16'), BF16: floats('BF16') },
  ...{ Q8_0: blocks('Q8_0'), Q4_0: blocks('Q4_0'), I8: byRow('I8'), I4: byRow('I4') },
};

for (const [name, { rows, first, numbers }] of Object.entries(CASES)) {
  notFinite(`law: of ${name}, NaN and infinities are told apart, and the first is found`, () => {
    assert.equal(findNotFinite(rows([]), COLUMNS), { nan: 0, infinite: 0, first: -1 });
    for (let index = 0; index < numbers; index++) {
      const one = rows([[index, 'nan']]);
      assert.equal(findNotFinite(one, COLUMNS), { nan: 1, infinite: 0, first: first(index) });
      assert.is(countNotFinite(one), 1);
    }
    const last = numbers - 1;
    const found = findNotFinite(
      rows([
        [last, 'nan'],
        [last - 1, 'inf'],
      ]),
      COLUMNS,
    );
    assert.equal(found, { nan: 1, infinite: 1, first: first(last - 1) });
  });
}

notFinite.run();
