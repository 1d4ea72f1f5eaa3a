import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { inverseFrequencies, rope, rotaryTables } from '../../src/layers/rope.ts';
import { float32, tensorOf } from '../../src/tensor/tensor.ts';
import { aloneContext, GOLDEN_RUNNERS } from '../support/goldens.ts';

const layer = suite('rope');

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

  layer(`golden: frequencies equal those stored in the checkpoint, bit for bit (${title})`, () => {
    for (const [name, stored] of golden.weights) {
      if (!name.endsWith('inv_freq')) continue;
      assert.equal(Array.from(inverseFrequencies(D, ropeTheta)), Array.from(stored.values));
    }
  });

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
