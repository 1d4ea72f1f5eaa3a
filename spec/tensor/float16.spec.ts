/** Float16: its numbers, and the rounding to them. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeFloat16,
  encodeFloat16,
  MAX_FLOAT16,
  roundHalfEven,
} from '../../src/tensor/float16.ts';
import { nearestFloat16 } from '../support/ggml-quantizers.ts';
import { randomSource } from '../support/random.ts';

const spec = suite('float16');

spec('golden: the bits have the values of IEEE 754', () => {
  const cases: [bits: number, value: number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x83ff, -1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65_504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
  ];
  for (const [bits, value] of cases) {
    assert.ok(Object.is(decodeFloat16(bits), value), `${bits} decoded`);
    assert.is(encodeFloat16(value), bits, `${value} encoded`);
  }
  assert.is(MAX_FLOAT16, 65_504);
});

spec('law: every pattern but those of NaN survives decoding and encoding', () => {
  for (let bits = 0; bits < 65_536; bits++) {
    const isNone = (bits & 0x7fff) > 0x7c00;
    assert.is(encodeFloat16(decodeFloat16(bits)), isNone ? 0x7e00 : bits);
    assert.is(Number.isNaN(decodeFloat16(bits)), isNone);
  }
});

spec(
  'law: halves between neighbours go to the even one, and what lies beside them does not',
  () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [below, above] = [decodeFloat16(bits), decodeFloat16(bits + 1)];
      const middle = (below + above) / 2;
      const nudge = (above - below) / 1024;
      for (const [sign, signBit] of [
        [1, 0],
        [-1, 0x8000],
      ]) {
        assert.is(encodeFloat16(sign * middle), signBit | (bits % 2 === 0 ? bits : bits + 1));
        assert.is(encodeFloat16(sign * (middle - nudge)), signBit | bits);
        assert.is(encodeFloat16(sign * (middle + nudge)), signBit | (bits + 1));
      }
    }
  },
);

spec('law: numbers go to the nearest of all float16 numbers', () => {
  const random = randomSource(1);
  for (let exponent = -30; exponent < 16; exponent++) {
    for (const x of random.signed(200, 2 ** exponent)) {
      assert.is(decodeFloat16(encodeFloat16(x)), nearestFloat16(x) + 0, String(x));
    }
  }
});

spec('law: from half a unit above the greatest on, numbers are infinite', () => {
  assert.is(encodeFloat16(65_519.99), 0x7bff);
  assert.is(encodeFloat16(65_520), 0x7c00);
  assert.is(encodeFloat16(-1e300), 0xfc00);
});

spec('golden: halves are rounded to the even integer', () => {
  const cases: [x: number, rounded: number][] = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, 0],
    [-1.5, -2],
    [-2.5, -2],
    [0.49999999999999994, 0],
    [7.499999, 7],
    [-127.5, -128],
    [126.5, 126],
    [1e12 + 0.5, 1e12],
  ];
  for (const [x, rounded] of cases) assert.is(roundHalfEven(x) + 0, rounded, String(x));
  assert.ok(Number.isNaN(roundHalfEven(Number.NaN)));
});

spec.run();
