import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mlp } from '../../src/layers/mlp.ts';
import { createTensor, float32, type Tensor } from '../../src/tensor/tensor.ts';
import {
  ALONE_BAR,
  aloneContext,
  detailedLayer,
  distanceFrom,
  GOLDEN_RUNNERS,
  recorded,
} from '../support/goldens.ts';

const layer = suite('mlp');

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { path, mlp: weights } = detailedLayer(golden, runner);
  const input = `${path}.post_attention_layernorm.output`;

  layer(`golden: a feed-forward alone gives its recorded tensors (${title})`, () => {
    const x = recorded(golden, input);
    const seen: string[] = [];
    const tap = (name: string, tensor: Tensor) => {
      seen.push(name.replace(`${path}.mlp.`, ''));
      const distance = distanceFrom(golden, name, tensor);
      assert.ok(distance <= ALONE_BAR, `${name}: ${distance}`);
    };
    mlp(x, weights, { ...aloneContext(runner, x.shape[0]), tap });
    assert.equal(seen, [
      'gate_proj.output',
      'up_proj.output',
      'act_fn.output',
      'down_proj.input',
      'down_proj.output',
      'output',
    ]);
  });

  layer(`law: watching the activation changes no bit (${title})`, () => {
    const x = recorded(golden, input);
    const plain = mlp(x, weights, aloneContext(runner, x.shape[0]));
    const watched = mlp(x, weights, { ...aloneContext(runner, x.shape[0]), tap: () => {} });
    assert.equal(float32(watched), float32(plain));
  });

  layer(`law: gate and up are not interchangeable (${title})`, () => {
    const x = recorded(golden, input);
    const swapped = { ...weights, gateProj: weights.upProj, upProj: weights.gateProj };
    const y = mlp(x, swapped, aloneContext(runner, x.shape[0]));
    assert.ok(distanceFrom(golden, `${path}.mlp.output`, y) > 1e-2);
  });

  layer(`law: a zero token stays zero (${title})`, () => {
    const y = mlp(createTensor([1, golden.config.hiddenSize]), weights, aloneContext(runner, 1));
    assert.ok(float32(y).every((value) => value === 0));
  });
}

layer.run();
