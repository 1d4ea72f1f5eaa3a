import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { roundBf16, roundEven, roundF16 } from '../../../src/conform/gallery/rounding.ts';
import { widenBf16, widenF16 } from '../../../src/kernels/reference/widen.ts';

const rounding = suite('rounding');

const patterns = Uint16Array.from({ length: 0x8000 }, (_, i) => i);
for (const [name, widen, round, finite] of [
  ['binary16', widenF16, roundF16, 0x7c00],
  ['bfloat16', widenBf16, roundBf16, 0x7f00],
] as const) {
  const values = new Float32Array(patterns.length);
  widen(values, patterns, patterns.length);

  rounding(`law: every finite ${name} is itself, of either sign`, () => {
    for (let i = 0; i < finite; i++) {
      if (name === 'bfloat16' && i < 0x80) continue; // subnormal float32: not rounded here
      assert.is(round(values[i]), values[i]);
      assert.ok(round(-values[i]) === -values[i]);
    }
  });

  rounding(`law: between two of ${name} the nearer one is taken, and the even one halfway`, () => {
    for (let i = 0x400; i + 1 < finite; i += 7) {
      const [low, high] = [values[i], values[i + 1]];
      const middle = (low + high) / 2;
      assert.is(round(middle), i % 2 === 0 ? low : high);
      assert.is(round(middle + (high - low) / 1024), high);
      assert.is(round(middle - (high - low) / 1024), low);
    }
  });
}

rounding('law: binary16 is infinite from 65520 on and keeps units of 2^-24 below 2^-14', () => {
  assert.is(roundF16(65_519), 65_504);
  assert.is(roundF16(-65_520), Number.NEGATIVE_INFINITY);
  assert.is(roundF16(2.5 * 2 ** -24), 2 * 2 ** -24);
  assert.is(roundF16(3.5 * 2 ** -24), 4 * 2 ** -24);
});

rounding('law: integers are rounded to even halfway', () => {
  assert.equal(
    [0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, 3].map((x) => roundEven(x) + 0),
    [...[0, 2, 2, 0, -2, 2, 3]],
  );
});

rounding.run();
