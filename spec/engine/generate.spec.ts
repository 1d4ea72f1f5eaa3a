/** Generation with a loaded model: recorded greedy tokens, and what joins prompt and options. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complete, generate, preparePrompt, runPrompt } from '../../src/engine/generate.ts';
import { load } from '../../src/engine/load.ts';
import { GOLDENS, idsOf } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';

const engine = suite('generate with a model');
const FIXTURES = new URL('../../fixtures/', import.meta.url);
const models = await Promise.all(
  GOLDENS.map(async (golden) => {
    const model = await load(new URL(`goldens/${golden.name}/`, FIXTURES));
    return { golden, model };
  }),
);
const [{ model: anyModel }] = models;

for (const { golden, model } of models) {
  for (const penalty of ['1.0', '1.1', '1.5']) {
    const title = `penalty ${penalty}, ${golden.name}`;
    engine(`golden: greedy tokens equal the recorded ones (${title})`, async () => {
      const prompt = idsOf(golden.generation.get('prompt'));
      const tokens = idsOf(golden.generation.get(`penalty_${penalty}.tokens`));
      const result = await complete(
        model,
        { ids: prompt },
        {
          maxNewTokens: tokens.length - prompt.length,
          repetitionPenalty: Number(penalty),
          greedy: true,
          eosTokenId: null,
        },
      );
      assert.equal([...prompt, ...result.outputIds], tokens);
      assert.is(result.finishReason, 'length');
      assert.is(result.text, null);
    });
  }
}

engine('law: the penalty matters: the recorded tokens of two penalties differ', () => {
  const recorded = models.map(({ golden }) =>
    ['1.0', '1.5'].map((penalty) => idsOf(golden.generation.get(`penalty_${penalty}.tokens`))),
  );
  assert.ok(recorded.some(([none, strong]) => none.join() !== strong.join()));
});

engine('law: a seed gives the same tokens again, another seed others', async () => {
  const tokens = async (seed: number) =>
    (await complete(anyModel, { ids: [5, 77] }, { temperature: 5, seed, maxNewTokens: 12 }))
      .outputIds;
  assert.equal(await tokens(1), await tokens(1));
  assert.not.equal(await tokens(1), await tokens(2));
});

engine('law: generations side by side have the tokens that each has alone', async () => {
  const run = (id: number) => complete(anyModel, { ids: [id, 3] }, { maxNewTokens: 9 });
  const together = await Promise.all([run(5), run(6), run(7)]);
  for (const [index, id] of [5, 6, 7].entries()) {
    assert.equal(together[index].outputIds, (await run(id)).outputIds);
  }
});

engine('law: positions past model_max_length give one notice and go on', async () => {
  const notices: string[] = [];
  const onNotice = (notice: string) => notices.push(notice);
  const ids = Array.from({ length: 60 }, (_, i) => i);
  const result = await complete(anyModel, { ids }, { maxNewTokens: 8, eosTokenId: null, onNotice });
  assert.is(result.outputIds.length, 8);
  assert.is(notices.length, 1);
  assert.match(notices[0], /trained on 64 positions.*position 68/);
});

engine('law: leaving the loop early closes the sequence and frees its cache', async () => {
  const opened = anyModel.openSequence();
  let closed = false;
  const watched = {
    ...anyModel,
    openSequence: () => ({
      ...opened,
      length: 0,
      append: opened.append,
      close: () => {
        closed = true;
        opened.close();
      },
    }),
  };
  for await (const { tokenIds } of generate(watched, { ids: [5] }, { maxNewTokens: 20 })) {
    assert.is(tokenIds.length, 1);
    break;
  }
  assert.ok(closed);
});

engine(
  'law: prompt ids are used as they are, and options are settled before any work',
  async () => {
    const prepared = await preparePrompt(
      anyModel,
      { ids: [5, 6] },
      { maxNewTokens: 3, greedy: true },
    );
    assert.equal(prepared.ids, [5, 6]);
    assert.is(prepared.tokenizer, null);
    assert.is(prepared.options.maxNewTokens, 3);
    const events = [];
    for await (const event of runPrompt(anyModel, prepared)) events.push(event);
    assert.is(events.length, 4);
    assert.equal(events.at(-1)?.usage, { promptTokens: 2, completionTokens: 3 });
  },
);

engine('error: what a prompt lacks is said before the model works', async () => {
  const run = (prompt: Parameters<typeof complete>[1], options = {}) =>
    complete(anyModel, prompt, options);
  await expectRefusal(() => run('text'), { code: 'directory-missing', where: 'tokenizer.model' });
  await expectRefusal(() => run({ ids: [] }), { code: 'prompt-empty' });
  await expectRefusal(() => run({ ids: [96] }), { code: 'token-id' });
  await expectRefusal(() => run({ ids: [1] }, { temperature: -1 }), { code: 'generation-option' });
  await expectRefusal(() => run({ ids: [1] }, { stopStrings: 'x' }), { code: 'generation-option' });
});

engine(
  'error: prompt and new tokens past the context length are refused with the figures',
  async () => {
    const folder = new URL(`goldens/${GOLDENS[0].name}/`, FIXTURES);
    await using model = await load(folder, { contextLength: 10 });
    const ids = [1, 2, 3, 4];
    assert.is(
      (await complete(model, { ids }, { maxNewTokens: 6, eosTokenId: null })).outputIds.length,
      6,
    );
    await expectRefusal(() => complete(model, { ids }, { maxNewTokens: 7 }), {
      code: 'context-length',
      expected: 10,
      found: 11,
    });
  },
);

engine.run();
