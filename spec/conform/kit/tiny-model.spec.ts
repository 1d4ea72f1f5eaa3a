/** The small models of the kit. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TINY_MODELS, tinyWeights } from '../../../src/conform/kit/tiny-model.ts';
import { parameterShapes } from '../../../src/model/weights.ts';

const spec = suite('tiny models');

spec('law: both classes are there as llama.cpp tells them apart, with 5 and 40 heads', () => {
  const sizes = TINY_MODELS.map(({ config: { position, numHiddenLayers, numAttentionHeads } }) => [
    ...[position, numHiddenLayers, numAttentionHeads],
  ]);
  assert.equal(sizes, [
    ['rope', 32, 4],
    ['alibi', 40, 5],
    ['alibi', 40, 40],
  ]);
});

for (const model of TINY_MODELS) {
  const tensors = tinyWeights(model);

  spec(`law: ${model.name} has every parameter in its shape`, () => {
    const shapes = tensors.map(({ name, shape }) => [name, shape]);
    assert.equal(shapes, [...parameterShapes(model.config)]);
    for (const { shape, chunks } of tensors) {
      assert.is(chunks[0].length, 4 * shape.reduce((product, size) => product * size, 1));
    }
  });

  spec(`law: ${model.name} is the formula of its file comment`, () => {
    let state = BigInt(model.seed);
    const uniform = () => {
      state = (state * 1664525n + 1013904223n) % 2n ** 32n;
      return Number(state) / 4294967296;
    };
    const [{ chunks, shape }, norm] = tensors;
    const table = new Float32Array(chunks[0].buffer);
    assert.is(shape[0], model.config.vocabSize);
    for (const value of table) {
      const sum = uniform() + uniform() + uniform() + uniform();
      assert.is(value, Math.fround((sum - 2) * Math.sqrt(3)));
    }
    for (const value of new Float32Array(norm.chunks[0].buffer)) {
      assert.is(value, Math.fround(0.8 + 0.4 * uniform()));
    }
  });
}

spec.run();
