import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MASKED_SCORE } from '../../src/kernels/kernels.ts';
import { attention } from '../../src/layers/attention.ts';
import { createTensor, float32, sliceRows, type Tensor } from '../../src/tensor/tensor.ts';
import {
  ALONE_BAR,
  aloneContext,
  contextOf,
  distanceFrom,
  GOLDEN_RUNNERS,
  recorded,
} from '../support/goldens.ts';

const layer = suite('attention');

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { hiddenSize: C, numAttentionHeads: H } = golden.config;
  const recordedLayers = runner.weights.layers
    .map(({ selfAttn }, index) => ({ selfAttn, path: `model.layers.${index}`, index }))
    .filter(({ path }) => golden.float32.has(`${path}.self_attn.output`));

  layer(`golden: every layer alone gives its recorded tensors from its input (${title})`, () => {
    assert.ok(recordedLayers.length > 0);
    for (const { selfAttn, path, index } of recordedLayers) {
      const x = recorded(golden, `${path}.input_layernorm.output`);
      const context = aloneContext(runner, x.shape[0], index);
      const seen: string[] = [];
      const tap = (name: string, tensor: Tensor) => {
        if (!golden.float32.has(name)) return;
        seen.push(name);
        const distance = distanceFrom(golden, name, tensor);
        assert.ok(distance <= ALONE_BAR, `${name}: ${distance}`);
      };
      attention(x, selfAttn, { ...context, tap });
      assert.ok(seen.includes(`${path}.self_attn.scores`), 'scores were recorded and seen');
    }
  });

  layer(`law: watching attention changes no bit (${title})`, () => {
    const { selfAttn, path } = recordedLayers[0];
    const x = recorded(golden, `${path}.input_layernorm.output`);
    const plain = attention(x, selfAttn, aloneContext(runner, x.shape[0]));
    const watched = attention(x, selfAttn, { ...aloneContext(runner, x.shape[0]), tap: () => {} });
    assert.equal(float32(watched), float32(plain));
  });

  layer(`law: probabilities of a query sum to one and are zero for later keys (${title})`, () => {
    const { selfAttn, path } = recordedLayers[0];
    const x = recorded(golden, `${path}.input_layernorm.output`);
    const T = x.shape[0];
    const maps = new Map<string, Float32Array>();
    const tap = (name: string, { ...tensor }: Tensor) => maps.set(name, float32(tensor));
    attention(x, selfAttn, { ...aloneContext(runner, T), tap });
    const probs = maps.get(`${path}.self_attn.probs`) as Float32Array;
    const scores = maps.get(`${path}.self_attn.scores`) as Float32Array;
    for (let row = 0; row < H * T; row++) {
      const visible = (row % T) + 1;
      const line = probs.subarray(row * T, (row + 1) * T);
      const sum = line.reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum - 1) <= 1e-6, `sum ${sum}`);
      assert.ok(line.subarray(visible).every((value) => value === 0));
      const masked = scores.subarray(row * T + visible, (row + 1) * T);
      assert.ok(masked.every((score) => score === MASKED_SCORE));
    }
  });

  layer(`law: a query reads nothing from other sequences of the pass (${title})`, () => {
    const { selfAttn, path, index } = recordedLayers[0];
    const x = recorded(golden, `${path}.input_layernorm.output`);
    const [T, split] = [x.shape[0], 5];
    const both = attention(x, selfAttn, contextOf(runner, [split, T - split], index));
    for (const [start, end] of [
      [0, split],
      [split, T],
    ]) {
      const context = aloneContext(runner, end - start, index);
      const alone = attention(sliceRows(x, start, end), selfAttn, context);
      assert.equal(float32(sliceRows(both, start, end)), float32(alone));
    }
  });

  layer(`error: an input of another width is refused before any work (${title})`, () => {
    const { selfAttn } = recordedLayers[0];
    assert.throws(
      () => attention(createTensor([2, C + 1]), selfAttn, aloneContext(runner, 2)),
      new RegExp(`shape-mismatch: x: Expected shape \\[T, C=${C}\\], found \\[2, ${C + 1}\\]`),
    );
  });
}

layer.run();
