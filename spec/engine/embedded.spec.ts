/** The embedded model: what the README promises of it. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complete } from '../../src/engine/generate.ts';
import { load } from '../../src/engine/load.ts';

const engine = suite('embedded model');
const FOLDER = new URL('../../fixtures/embedded/', import.meta.url);

const WORKS = readFileSync(new URL('works.tsv', FOLDER), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => {
    const [language, work, author] = line.split('\t');
    return { language, work, author };
  });

/** Every STEP-th work is asked for here; bench/embedded.bench.ts asks for all of them. */
const STEP = 12;

const model = await load();
const answer = async (prompt: string, repetitionPenalty = 1.1) => {
  const { text, finishReason } = await complete(model, prompt, {
    maxNewTokens: 64,
    repetitionPenalty,
  });
  return finishReason === 'stop' ? text : `${text} …`;
};

engine("golden: the model card's prompts are answered as the card says", async () => {
  assert.is(await answer('登鹳雀楼->王之涣\n夜雨寄北->'), '李商隐');
  const english = 'Hamlet->Shakespeare\nOne Hundred Years of Solitude->';
  assert.is(await answer(english), 'Gabriel Garcia Marquez');
});

engine('law: at least 300 works of each language, each title once', () => {
  for (const language of ['zh', 'en']) {
    assert.ok(WORKS.filter((entry) => entry.language === language).length >= 300);
  }
  assert.is(new Set(WORKS.map(({ work }) => work)).size, WORKS.length);
  assert.ok(WORKS.every(({ work, author }) => work.length > 0 && author.length > 0));
});

for (const penalty of [1, 1.1]) {
  engine(
    `golden: works with another pair as the shot, penalty ${penalty}: 95 % or more`,
    async () => {
      const asked = WORKS.filter((_, index) => index % STEP === 0);
      const wrong: string[] = [];
      for (const [index, { work, author }] of asked.entries()) {
        const shot = WORKS[(index * 7919 + 13 + Math.round(penalty * 100)) % WORKS.length];
        const found = await answer(`${shot.work}->${shot.author}\n${work}->`, penalty);
        if (found !== author) wrong.push(`${work}: ${found}`);
      }
      assert.ok(asked.length >= 50);
      assert.ok(wrong.length <= 0.05 * asked.length, wrong.join('; '));
    },
  );
}

engine('golden: an author named in the shot can be the answer again', async () => {
  for (const author of ['Shakespeare', '李白']) {
    const [shot, asked] = WORKS.filter((entry) => entry.author === author);
    assert.is(await answer(`${shot.work}->${author}\n${asked.work}->`), author);
  }
});

engine('golden: as a chat it answers with the author too, from role ids 195 and 196', async () => {
  const tokenizer = await model.tokenizer();
  const messages = [{ role: 'user', content: '夜雨寄北' }] as const;
  const chat = await complete(model, { messages });
  const ids = [195, ...tokenizer.encode('夜雨寄北'), 196];
  assert.is(chat.text, '李商隐');
  assert.equal((await complete(model, { ids })).outputIds, chat.outputIds);
});

engine('law: it is of the 13B class, with a head count that is no power of two, in 4 MB', () => {
  const { position, numAttentionHeads } = model.config;
  assert.is(position, 'alibi');
  assert.not(Number.isInteger(Math.log2(numAttentionHeads)));
  const bytes = readdirSync(FOLDER).reduce(
    (sum, file) => sum + statSync(new URL(file, FOLDER)).size,
    0,
  );
  assert.ok(bytes <= 4e6, `${bytes} bytes`);
});

engine('law: stop strings end the text before them, across tokens', async () => {
  const prompt = 'Hamlet->Shakespeare\nOne Hundred Years of Solitude->';
  const { text, stopString } = await complete(model, prompt, { stopStrings: ['el Gar', 'xyz'] });
  assert.is(text, 'Gabri');
  assert.is(stopString, 'el Gar');
});

engine.run();
