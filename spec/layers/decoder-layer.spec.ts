import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decoderLayer } from '../../src/layers/decoder-layer.ts';
import { createTensor, float32 } from '../../src/tensor/tensor.ts';
import {
  ALONE_BAR,
  aloneContext,
  distanceFrom,
  GOLDEN_RUNNERS,
  recorded,
} from '../support/goldens.ts';

const layer = suite('decoder-layer');

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { hiddenSize: C } = golden.config;
  const inputOf = (index: number) =>
    index === 0 ? 'model.embed_tokens.output' : `model.layers.${index - 1}.output`;
  const recordedLayers = runner.weights.layers.flatMap((weights, index) =>
    golden.float32.has(inputOf(index)) && golden.float32.has(`${weights.path}.output`)
      ? [{ weights, index, input: inputOf(index) }]
      : [],
  );

  layer(`golden: every layer alone gives its recorded output from its input (${title})`, () => {
    assert.ok(recordedLayers.length > 0);
    for (const { weights, index, input } of recordedLayers) {
      const x = recorded(golden, input);
      const context = aloneContext(runner, x.shape[0], index);
      const y = decoderLayer(x, weights, context, createTensor(x.shape));
      const distance = distanceFrom(golden, `${weights.path}.output`, y);
      assert.ok(distance <= ALONE_BAR, `${weights.path}: ${distance}`);
    }
  });

  layer(`law: a layer gives back the memory it takes and leaves its input alone (${title})`, () => {
    const [{ weights, input }] = recordedLayers;
    const x = recorded(golden, input);
    const before = float32(x).slice();
    const context = aloneContext(runner, x.shape[0]);
    const mark = context.arena.mark();
    const first = decoderLayer(x, weights, context, createTensor(x.shape));
    assert.equal(context.arena.mark(), mark);
    const again = aloneContext(runner, x.shape[0]);
    const second = decoderLayer(x, weights, again, createTensor(x.shape));
    assert.equal(float32(second), float32(first));
    assert.equal(float32(x), before);
  });

  layer(`error: a result of another shape than the input is refused (${title})`, () => {
    const [{ weights }] = recordedLayers;
    const [x, y] = [createTensor([2, C]), createTensor([3, C])];
    assert.throws(
      () => decoderLayer(x, weights, aloneContext(runner, 2), y),
      /shape-mismatch: y: Expected shape \[T=2, C=\d+\], found \[3, \d+\]/,
    );
  });
}

layer.run();
