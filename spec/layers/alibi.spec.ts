import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alibiSlopes } from '../../src/layers/alibi.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';

const layer = suite('alibi');
const GOLDEN = new URL('../../fixtures/goldens/alibi_slopes.safetensors', import.meta.url);

/** Half the distance between neighbouring float32 around a positive value. */
function halfUlp(value: number): number {
  return 2 ** (Math.floor(Math.log2(value)) - 24);
}

const tables = [...readSafetensors(GOLDEN)].map(([name, { values }]) => ({
  heads: Number(name.replace('heads_', '')),
  values,
}));

layer('golden: slopes of 16 head counts lie within one ULP of the published ones', () => {
  assert.is(tables.length, 16);
  for (const { heads, values } of tables) {
    const slopes = alibiSlopes(heads);
    assert.is(slopes.length, heads);
    slopes.forEach((slope, h) => {
      assert.ok(Math.abs(slope - values[h]) <= 2 * halfUlp(values[h]), `head ${h} of ${heads}`);
    });
  }
});

layer('law: slopes of a power of two of heads are a geometric series that ends at 2^-8', () => {
  for (const heads of [1, 2, 4, 8, 16, 32, 64, 128]) {
    const slopes = alibiSlopes(heads);
    assert.is(slopes[heads - 1], 2 ** -8);
    for (let h = 1; h < heads; h++) {
      const ratio = slopes[h] / slopes[h - 1];
      assert.ok(Math.abs(ratio - 2 ** (-8 / heads)) < 1e-6);
    }
  }
});

layer(
  'law: other head counts take every second slope of the doubled list, not the first ones',
  () => {
    const [forty, sixtyFour] = [alibiSlopes(40), alibiSlopes(64)];
    assert.equal(forty.subarray(0, 32), alibiSlopes(32));
    for (let i = 0; i < 8; i++) assert.is(forty[32 + i], sixtyFour[2 * i]);
  },
);

layer('law: slopes are positive and below one for any number of heads', () => {
  for (let heads = 1; heads <= 200; heads++) {
    const slopes = alibiSlopes(heads);
    assert.is(slopes.length, heads);
    assert.ok(slopes.every((slope) => slope > 0 && slope < 1));
  }
});

layer.run();
