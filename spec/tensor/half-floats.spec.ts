import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { widenF16 } from '../../src/kernels/reference/widen.ts';
import {
  float16ToFloat32Bits,
  float16ToNumber,
  float32ToBfloat16Bits,
  float32ToFloat16Bits,
  numberToFloat16Bits,
} from '../../src/tensor/half-floats.ts';

const half = suite('half-floats');

const ALL = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}

half('pair: every float16 widens as the kernels widen it', () => {
  const wide = new Float32Array(65_536);
  widenF16(wide, ALL, 65_536);
  const expected = new Uint32Array(wide.buffer);
  for (const bits of ALL) assert.is(float16ToFloat32Bits(bits), expected[bits], String(bits));
  assert.is(float16ToNumber(0xbc00), -1);
});

half('law: what was a float16 comes back, NaN payloads quieted', () => {
  for (const bits of ALL) {
    const isNaN16 = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
    const expected = isNaN16 ? bits | 0x200 : bits;
    assert.is(float32ToFloat16Bits(float16ToFloat32Bits(bits)), expected, String(bits));
  }
});

half('law: halfway between two float16 goes to the even one, beside it to the nearest', () => {
  for (let bits = 0; bits < 0x7c00; bits++) {
    const low = float16ToNumber(bits);
    const high = bits === 0x7bff ? 65_536 : float16ToNumber(bits + 1);
    const middle = (low + high) / 2;
    const even = bits % 2 === 0 ? bits : bits + 1;
    assert.is(numberToFloat16Bits(middle), even, `tie above ${bits}`);
    assert.is(numberToFloat16Bits(-middle), even + 0x8000, `tie below −${bits}`);
    assert.is(float32ToFloat16Bits(bitsOf(middle) + 1), bits + 1, `above ${bits}`);
    assert.is(float32ToFloat16Bits(bitsOf(middle) - 1), bits, `below the tie over ${bits}`);
  }
});

half('golden: the edges of float16', () => {
  const cases: [number, number][] = [
    ...([
      [65_504, 0x7bff],
      [65_519.996, 0x7bff],
      [65_520, 0x7c00],
    ] as [number, number][]),
    ...([
      [1e38, 0x7c00],
      [-1 / 0, 0xfc00],
      [2 ** -25, 0],
      [-0, 0x8000],
    ] as [number, number][]),
    ...([
      [2 ** -24, 1],
      [2 ** -14, 0x400],
      [1, 0x3c00],
    ] as [number, number][]),
  ];
  for (const [value, bits] of cases) assert.is(numberToFloat16Bits(value), bits, String(value));
});

half('law: bfloat16 is the upper half, rounded to nearest even; a NaN stays one', () => {
  const cases: [number, number][] = [
    [0x3f800000, 0x3f80],
    [0x3f808000, 0x3f80],
    [0x3f808001, 0x3f81],
    [0x3f818000, 0x3f82],
    [0x7f7fffff, 0x7f80],
    [0xff800000, 0xff80],
    [0x7f800001, 0x7fc0],
    [0xff812345, 0xffc1],
    [0x00000001, 0],
    [0x80018000, 0x8002],
  ];
  for (const [bits, expected] of cases) {
    assert.is(float32ToBfloat16Bits(bits), expected, bits.toString(16));
  }
});

half.run();
