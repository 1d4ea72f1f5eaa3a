/** Logits of the published quantizers, as the published code computes them. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/engine/load.ts';
import { difference } from '../../src/verify/compare.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';

const published = suite('goldens/published-quantizer');

const BAR = 2e-5;

for (const name of ['alibi-5heads', 'rope-4heads']) {
  const folder = new URL(`../../fixtures/goldens/${name}/`, import.meta.url);
  const ids = readSafetensors(new URL('activations.f32.safetensors', folder)).get('input_ids');
  for (const bits of [8, 4] as const) {
    const recorded = readSafetensors(new URL(`published_int${bits}.safetensors`, folder));
    const logits = recorded.get('logits');
    for (const kernels of ['wasm', 'reference'] as const) {
      published(`golden: logits of int${bits}-channel, ${name}, ${kernels} kernels`, async () => {
        const [T = 0, V = 0] = logits?.shape.slice(-2) ?? [];
        assert.ok(logits !== undefined && ids !== undefined && T > 8 && V > 8);
        const options = { quantize: `int${bits}-channel`, activations: 'exact', kernels } as const;
        await using model = await load(folder, options);
        const found = await model.forward(Array.from(ids?.values.subarray(0, T) ?? [], Number));
        const first = { shape: [T, V], values: logits?.values.subarray(0, T * V) ?? [] };
        const { relative } = difference(first, { shape: found.shape, values: found.data });
        assert.ok(relative <= BAR, `${relative} of ${BAR}`);
      });
    }
  }
}

published.run();
