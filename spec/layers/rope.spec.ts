import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inverseFrequencies, rope, rotaryTables } from '../../src/layers/rope.ts';
import { float32, tensorOf } from '../../src/tensor/tensor.ts';
import { aloneContext, GOLDEN_RUNNERS } from '../support/goldens.ts';

const layer = suite('rope');

/** Bits of 1 / 10000 ** (torch.arange(0, 128, 2).float() / 128), computed by PyTorch 1.13: the
 *  frequencies of 7B, and those that a 7B checkpoint in float32 stores as `inv_freq`. */
const TORCH_FREQUENCIES = `
  3f800000 3f5dafd7 3f3ff911 3f263de0 3f0ff59a 3ef953cf 3ed7e89b 3ebaf81b 3ea1e89b 3e8c3504
  3e72d423 3e5247ed 3e361887 3e1db040 3e088d77 3dec7fd6 3dcccccd 3db15978 3d99940d 3d84fe4d
  3d6655c2 3d47763f 3d2cba15 3d159348 3d0186e3 3ce054d2 3cc2434f 3ca8398b 3c91ad39 3c7c4d33
  3c5a7bf2 3c3d3311 3c23d70a 3c0de12d 3bf5b9b0 3bd4ca15 3bb8449c 3b9f91cc 3b8a2e77 3b6f520e
  3b4f3e38 3b33770f 3b1b690d 3b06946f 3ae91528 3ac9d75c 3aaec98e 3a975c0e 3a83126f 3a6301e2
  3a44948c 3a2a3b44 3a136a16 39ff4fac 39dd1725 39bf74d7 39a5cb60 398f9272 3978a815 395753e4
  393a7753 39217916 390bd472 38f22ce2
`;

layer("golden: the frequencies of 7B are PyTorch's, bit for bit", () => {
  const bits = new Uint32Array(inverseFrequencies(128, 10000).buffer);
  const words = Array.from(bits, (word) => word.toString(16));
  assert.equal(words, TORCH_FREQUENCIES.trim().split(/\s+/));
});

/** One head of one token turned by hand at a position, in float64 from float32 angles. */
function turnedByFormula(x: readonly number[], position: number): number[] {
  const half = x.length / 2;
  return x.map((value, channel) => {
    const pair = channel % half;
    const inverse = Math.fround(1 / Math.fround(10000 ** Math.fround((2 * pair) / x.length)));
    const angle = Math.fround(position * inverse);
    const partner = channel < half ? -x[channel + half] : x[channel - half];
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

const rotary = GOLDEN_RUNNERS.filter(({ golden }) => golden.config.position === 'rope');

for (const { golden, title, runner } of rotary) {
  const { headDim: D, ropeTheta } = golden.config;
  const head = fc
    .array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: D, maxLength: D })
    .map((values) => values.map((value) => value + 0));
  const turned = (x: readonly number[], position: number) => {
    const segments = [{ sequence: 0, start: 0, count: 1, position }];
    const tables = rotaryTables(segments, D, ropeTheta);
    const tensor = tensorOf(Float32Array.from(x), [1, 1, D]);
    return Array.from(float32(rope(tensor, tables, aloneContext(runner, 1))));
  };

  layer(`law: channel i turns with channel i + D/2, by the published angle (${title})`, () => {
    fc.assert(
      fc.property(head, fc.integer({ min: 0, max: 5000 }), (x, position) => {
        const expected = turnedByFormula(x, position);
        turned(x, position).forEach((value, i) => {
          assert.ok(Math.abs(value - expected[i]) <= 2e-6, `channel ${i}`);
        });
      }),
      { seed: 1, numRuns: 60, examples: [[Array.from({ length: D }, (_, i) => i), 4095]] },
    );
  });

  layer(`law: position 0 turns nothing (${title})`, () => {
    fc.assert(
      fc.property(head, (x) => assert.equal(turned(x, 0), x)),
      { seed: 1, numRuns: 20 },
    );
  });

  layer(`law: the product of a query and a key depends on their distance alone (${title})`, () => {
    const positions = fc.integer({ min: 0, max: 400 });
    fc.assert(
      fc.property(head, head, positions, positions, (q, k, distance, shift) => {
        const dot = (offset: number) => {
          const key = turned(k, offset);
          return turned(q, offset + distance).reduce((sum, value, i) => sum + value * key[i], 0);
        };
        assert.ok(Math.abs(dot(0) - dot(shift)) <= 1e-2);
      }),
      { seed: 1, numRuns: 40 },
    );
  });
}

layer('law: rows of several segments take the angles of their own positions', () => {
  const alone = rotaryTables([{ sequence: 1, start: 0, count: 2, position: 9 }], 8, 10000);
  const together = rotaryTables(
    [
      { sequence: 0, start: 0, count: 3, position: 40 },
      { sequence: 1, start: 3, count: 2, position: 9 },
    ],
    8,
    10000,
  );
  assert.equal(float32(together.cos).subarray(12), float32(alone.cos));
  assert.equal(float32(together.sin).subarray(12), float32(alone.sin));
});

layer.run();
