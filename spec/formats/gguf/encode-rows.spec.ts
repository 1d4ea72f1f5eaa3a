import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRows } from '../../../src/formats/gguf/decode-rows.ts';
import { encodeRows } from '../../../src/formats/gguf/encode-rows.ts';
import { expectRefusal } from '../../support/refusal.ts';

const rows = suite('gguf-encode-rows');

const url = new URL('../../../fixtures/gguf/encoded.json', import.meta.url);
const fixture = JSON.parse(readFileSync(url, 'utf8')) as Record<string, string>;
const bytesOf = (text: string) => Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0));
const weights = new Float32Array(bytesOf(fixture.weights).buffer);

for (const type of ['Q8_0', 'Q4_0'] as const) {
  rows(`golden: ${type} blocks are those of numpy, byte for byte`, () => {
    assert.equal([...encodeRows(type, weights)], [...bytesOf(fixture[type])]);
  });

  rows(`law: ${type} of what ${type} holds moves by the rounding of the scale at most`, () => {
    const once = decodeRows(type, bytesOf(fixture[type]));
    const again = decodeRows(type, encodeRows(type, once));
    const scale = type === 'Q8_0' ? 127 : 8;
    once.forEach((value, i) => {
      // d is rounded to float16 after the division, so a value may move by that rounding only.
      const most = once.slice(i - (i % 32), i - (i % 32) + 32).reduce(largest, 0);
      const step = (most / scale) * 2 ** -10 * scale + 2 ** -24 * scale;
      assert.ok(Math.abs(again[i] - value) <= step, `${i}: ${value} became ${again[i]}`);
    });
  });
}

function largest(most: number, value: number): number {
  return Math.max(most, Math.abs(value));
}

rows('law: a float type that is wide enough loses no bit', () => {
  const patterns = Uint32Array.of(0, 0x80000000, 1, 0x7f7fffff, 0x7f800000, 0x7f800001, 0xffc12345);
  const all = new Float32Array(patterns.buffer);
  assert.equal([...decodeBits('F32', all)], [...patterns]);
  const high = Uint32Array.from(patterns, (bits) => bits & 0xffff0000);
  assert.equal([...decodeBits('BF16', new Float32Array(high.buffer))], [...high]);
});

function decodeBits(type: 'F32' | 'BF16' | 'F16', values: Float32Array): Uint32Array {
  return new Uint32Array(decodeRows(type, encodeRows(type, values)).buffer);
}

rows('law: a block whose scale has no reciprocal in float32 is zero', () => {
  for (const type of ['Q8_0', 'Q4_0'] as const) {
    const values = decodeRows(type, encodeRows(type, new Float32Array(32).fill(1e-44)));
    assert.ok(values.every((value) => value === 0));
  }
});

for (const [type, greatest] of [
  ['Q8_0', 127 * 65_504],
  ['Q4_0', 8 * 65_504],
] as const) {
  rows(`error: weights whose scale in ${type} is beyond float16`, async () => {
    for (const sign of [1, -1]) {
      // Up to half a step above the greatest float16, a scale is rounded down to it.
      for (const [value, fits] of [
        [greatest, true],
        [(greatest / 65_504) * 65_519, true],
        [(greatest / 65_504) * 65_520, false],
        [3e38, false],
      ] as const) {
        const values = new Float32Array(64);
        values[37] = sign * value;
        const encode = () => encodeRows(type, values);
        if (fits) assert.ok(decodeRows(type, encode()).every(Number.isFinite), `${value}`);
        else
          await expectRefusal(encode, {
            code: 'model-overflow',
            where: type.toLowerCase(),
            expected: greatest,
          });
      }
    }
  });
}

rows.run();
