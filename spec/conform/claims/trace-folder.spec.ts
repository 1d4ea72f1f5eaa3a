/** A backend that answered in files: what it says of answers that are not there. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTraceFolder } from '../../../src/conform/claims/trace-folder.ts';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { GOLDENS } from '../../support/goldens.ts';

const spec = suite('trace folder');
const [{ config }] = GOLDENS;

function opened(answers: string | undefined) {
  const bytes = new TextEncoder().encode(answers);
  const folder = {
    name: 'kit',
    list: async () => (answers === undefined ? [] : ['answers.json']),
    open: async (file: string) => bufferSource(file, bytes),
  };
  return openTraceFolder({ folder, traces: undefined, config });
}

spec('law: a file without answers is told from none', async () => {
  for (const [answers, texts, chats] of [
    [undefined, 'no answers.json with it', 'no answers.json with it'],
    ['{}', 'none of its texts in answers.json', 'none of its chats in answers.json'],
    ['{"texts": {}}', 'none of its texts in answers.json', 'none of its chats in answers.json'],
  ] as const) {
    const backend = await opened(answers);
    assert.equal([backend.why('tokenizer'), backend.why('chat')], [texts, chats]);
    assert.is(backend.why('logits'), 'no traces of it in traces/');
  }
});

spec.run();
