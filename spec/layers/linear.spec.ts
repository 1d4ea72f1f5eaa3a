import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linear } from '../../src/layers/linear.ts';
import { createTensor } from '../../src/tensor/tensor.ts';
import {
  ALONE_BAR,
  aloneContext,
  detailedLayer,
  distanceFrom,
  GOLDEN_RUNNERS,
  recorded,
} from '../support/goldens.ts';

const layer = suite('linear');

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { path, selfAttn, mlp } = detailedLayer(golden, runner);
  const { hiddenSize: C, vocabSize: V } = golden.config;

  layer(`golden: each weight alone gives its recorded output from its input (${title})`, () => {
    for (const [weight, input] of [
      [selfAttn.wPack, `${path}.input_layernorm.output`],
      [selfAttn.oProj, `${path}.self_attn.o_proj.input`],
      [mlp.gateProj, `${path}.post_attention_layernorm.output`],
      [mlp.upProj, `${path}.post_attention_layernorm.output`],
      [mlp.downProj, `${path}.mlp.down_proj.input`],
      [runner.weights.lmHead, 'model.norm.output'],
    ] as const) {
      const x = recorded(golden, input);
      const y = linear(x, weight, aloneContext(runner, x.shape[0]));
      const distance = distanceFrom(golden, `${weight.path}.output`, y);
      assert.ok(distance <= ALONE_BAR, `${weight.path}: ${distance}`);
    }
  });

  layer(`law: the output is tapped under the weight's path (${title})`, () => {
    const names: string[] = [];
    const tap = (name: string) => names.push(name);
    const context = { ...aloneContext(runner, 2), tap };
    linear(createTensor([2, C]), runner.weights.lmHead, context);
    assert.equal(names, ['lm_head.output']);
    assert.is(runner.weights.lmHead.outFeatures, V);
  });

  layer(`error: an input of another width is refused (${title})`, () => {
    assert.throws(
      () => linear(createTensor([2, C + 1]), selfAttn.wPack, aloneContext(runner, 2)),
      /shape-mismatch: x: Expected shape \[T, in=\d+\], found \[2, \d+\]/,
    );
  });
}

layer.run();
