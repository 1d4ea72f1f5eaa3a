import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { embedding } from '../../src/layers/embedding.ts';
import { float32, sliceRows } from '../../src/tensor/tensor.ts';
import { aloneContext, distanceFrom, GOLDEN_RUNNERS, idsOf } from '../support/goldens.ts';

const layer = suite('embedding');

for (const { golden, title, runner } of GOLDEN_RUNNERS) {
  const { embedTokens } = runner.weights;

  layer(`golden: the recorded ids give the recorded rows exactly (${title})`, () => {
    const ids = idsOf(golden.float32.get('input_ids'));
    const y = embedding(ids, embedTokens, aloneContext(runner, ids.length));
    assert.is(distanceFrom(golden, 'model.embed_tokens.output', y), 0);
  });

  layer(`law: row t depends on id t alone, in any order and number (${title})`, () => {
    const y = embedding([7, 0, 7, 3], embedTokens, aloneContext(runner, 4));
    for (const [t, id] of [7, 0, 7, 3].entries()) {
      const alone = embedding([id], embedTokens, aloneContext(runner, 1));
      assert.equal(float32(sliceRows(y, t, t + 1)), float32(alone));
    }
  });

  layer(`error: a table of another size is refused by its shape (${title})`, () => {
    const { path, table } = embedTokens;
    const short = { path, table: { ...table, rows: 5 } };
    assert.throws(
      () => embedding([1], short, aloneContext(runner, 1)),
      /shape-mismatch: rows of the embedding table: Expected \d+, found 5/,
    );
  });
}

layer.run();
