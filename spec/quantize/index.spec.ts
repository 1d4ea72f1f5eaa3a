/** What quantization does to whole models: the divergence of next-token distributions from those of
 *  the float32 model. The bench `quantization` prints the same for all types, on more text. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QUANTIZERS } from '../../src/quantize/index.ts';
import { QUANTIZED_RANGES } from '../../src/tensor/quantized.ts';
import { type Divergence, divergence, klDivergence } from '../support/divergence.ts';
import { gaussianModel } from '../support/gaussian-model.ts';
import {
  embeddedParts,
  embeddedText,
  logitsOf,
  type ModelParts,
  type SchemeName,
} from '../support/quantized-models.ts';

const spec = suite('quantize');

/** The divergence under each scheme. */
async function compare<Name extends SchemeName>(
  parts: ModelParts,
  sequences: number[][],
  names: readonly Name[],
): Promise<Record<Name, Divergence>> {
  const expected = await logitsOf(parts, 'float32', sequences);
  const found: [Name, Divergence][] = [];
  for (const name of names) {
    const logits = await logitsOf(parts, name, sequences);
    found.push([name, divergence(expected, logits, Number(parts.config.vocab_size))]);
  }
  return Object.fromEntries(found) as Record<Name, Divergence>;
}

/** One layer with rows of 1024 and 2752 weights, whose input channels may have outliers. */
function wideModel(outliers: { count: number; factor: number }): ModelParts {
  const sizes = { hidden: 1024, intermediate: 2752, layers: 1, heads: 8, vocabulary: 500 };
  return gaussianModel({ ...sizes, outliers, seed: 3 });
}

const IDS = Array.from({ length: 48 }, (_, i) => (i * 131 + 17) % 500);

spec('law: every type has a quantizer, which makes that type', () => {
  assert.equal(Object.keys(QUANTIZERS).sort(), Object.keys(QUANTIZED_RANGES).sort());
  for (const [type, quantize] of Object.entries(QUANTIZERS)) {
    assert.is(quantize(new Float32Array(8), [2, 4]).type, type);
  }
});

spec(
  'law: on its own text int4 diverges less than Q4_0, and half as much as int4-channel',
  async () => {
    const names = ['int8', 'int4', 'int4 exact', 'int4-channel', 'Q4_0'] as const;
    const kl = await compare(embeddedParts(), embeddedText(4), names);
    assert.ok(kl.int4.mean > 1e-4, 'four bits are felt');
    assert.ok(kl['int4 exact'].mean < kl.Q4_0.mean);
    assert.ok(kl.int4.mean < kl.Q4_0.mean, `${kl.int4.mean}, ${kl.Q4_0.mean}`);
    assert.ok(kl.int4.mean < kl['int4-channel'].mean / 2, `${kl['int4-channel'].mean}`);
    assert.ok(kl.int8.mean <= 0.002 && kl.int8.mean < kl.int4.mean, String(kl.int8.mean));
  },
);

for (const [title, outliers] of [
  ['rows of 1024', { count: 0, factor: 1 }],
  ['outlier channels', { count: 8, factor: 10 }],
] as const) {
  spec(`law: with ${title} int4 diverges less than a third as much as int4-channel`, async () => {
    const kl = await compare(wideModel(outliers), [IDS], ['int4', 'int4-channel']);
    assert.ok(kl.int4.mean < kl['int4-channel'].mean / 3, JSON.stringify(kl));
  });
}

spec('golden: the divergence of two coins', () => {
  // p = (1/2, 1/2), q = (1/4, 3/4): ½ ln 2 + ½ ln(2/3); logits may be shifted.
  const p = Float32Array.of(5, 5);
  const q = Float32Array.of(-1, Math.log(3) - 1);
  const expected = 0.5 * Math.log(2) + 0.5 * Math.log(2 / 3);
  assert.ok(Math.abs(klDivergence(p, q) - expected) < 1e-7);
  assert.is(klDivergence(p, p), 0);
});

spec('law: the divergence sees what differs', () => {
  const expected = [Float32Array.of(1, 2, 3, 3, 2, 1)];
  assert.equal(divergence(expected, expected, 3), { mean: 0, greatest: 0, top1: 1 });
  const swapped = divergence(expected, [Float32Array.of(3, 2, 1, 3, 2, 1)], 3);
  assert.is(swapped.top1, 0.5);
  assert.is(swapped.mean, swapped.greatest / 2);
  assert.ok(swapped.greatest > 0.5);
  assert.ok(divergence(expected, [expected[0].map((x) => -x)], 3).mean > 0.5);
  assert.ok(Number.isNaN(divergence(expected, [expected[0].map(() => Number.NaN)], 3).mean));
});

spec.run();
