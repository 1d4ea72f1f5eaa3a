import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lmHead } from '../../src/layers/lm-head.ts';
import { float32, sliceRows } from '../../src/tensor/tensor.ts';
import {
  ALONE_BAR,
  aloneContext,
  distanceFrom,
  GOLDEN_RUNNERS,
  recorded,
} from '../support/goldens.ts';

const layer = suite('lm-head');

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { lmHead: weight } = runner.weights;

  layer(`golden: the recorded final norm gives the recorded logits (${title})`, () => {
    const x = recorded(golden, 'model.norm.output');
    const logits = lmHead(x, weight, aloneContext(runner, x.shape[0]));
    const distance = distanceFrom(golden, 'logits', logits);
    assert.ok(distance <= ALONE_BAR, `${distance}`);
  });

  layer(`law: logits of the last token alone are those among all, bit for bit (${title})`, () => {
    const x = recorded(golden, 'model.norm.output');
    const T = x.shape[0];
    const all = lmHead(x, weight, aloneContext(runner, T));
    const last = lmHead(sliceRows(x, T - 1, T), weight, aloneContext(runner, 1));
    assert.equal(float32(last), float32(sliceRows(all, T - 1, T)));
  });
}

layer.run();
