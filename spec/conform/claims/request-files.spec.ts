/** Requests and answers as files, good and bad. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  parseAnswers,
  parseRequests,
  requestsToJson,
} from '../../../src/conform/claims/request-files.ts';
import { makeRequests } from '../../../src/conform/claims/requests.ts';
import { utf8 } from '../../support/model-files.ts';
import { expectRefusal } from '../../support/refusal.ts';

const files = suite('conform request files');

const model = { fingerprint: 'ab12', vocabSize: 97 };
const requests = await makeRequests({
  vocabSize: 97,
  modelMaxLength: 70,
  continuation: async () => [5, 6],
});
const text = requestsToJson(requests, model);

files('law: what is written is read back', () => {
  assert.equal(parseRequests(utf8(text), 'requests.json'), { requests, model });
});

/** The file with one field changed. */
function changed(change: (value: ReturnType<typeof JSON.parse>) => void): Uint8Array {
  const value = JSON.parse(text);
  change(value);
  return utf8(JSON.stringify(value));
}

for (const [title, bytes, code, where] of [
  ['no JSON', utf8('{'), 'json-syntax', 'line 1'],
  ['a list', utf8('[]'), 'conform-requests', 'whole file'],
  ['another format', changed((x) => (x.format = 'x')), 'conform-requests', '/format'],
  ['no fingerprint', changed((x) => delete x.fingerprint), 'conform-requests', '/fingerprint'],
  ['no vocabulary', changed((x) => (x.vocab_size = 0)), 'conform-requests', '/vocab_size'],
  ['texts that are none', changed((x) => (x.texts[1] = 7)), 'conform-requests', '/texts/1'],
  [
    'an id with a path',
    changed((x) => (x.prefills[0].id = '../x')),
    'conform-requests',
    '/prefills/0/id',
  ],
  [
    'an unknown role',
    changed((x) => (x.chats[0].messages[0].role = 'tool')),
    'conform-requests',
    '/chats/0/messages/0/role',
  ],
  [
    'an unknown claim',
    changed((x) => (x.prefills[1].claim = 'speed')),
    'conform-requests',
    '/prefills/1/claim',
  ],
  [
    'an id outside the vocabulary',
    changed((x) => (x.prefills[1].ids[0] = 97)),
    'conform-requests',
    '/prefills/1/ids/0',
  ],
  [
    'no position',
    changed((x) => (x.prefills[1].positions = [])),
    'conform-requests',
    '/prefills/1/positions',
  ],
  [
    'a position twice',
    changed((x) => (x.prefills[1].positions = [0, 0])),
    'conform-requests',
    '/prefills/1/positions',
  ],
  [
    'a position outside the prompt',
    changed((x) => (x.prefills[1].positions = [9999])),
    'conform-requests',
    '/prefills/1/positions/0',
  ],
] as const) {
  files(`error: requests with ${title}`, async () => {
    const file = 'requests.json';
    await expectRefusal(() => parseRequests(bytes, file), { code, where, file });
  });
}

files('law: answers are lists by request, and either part may be left out', () => {
  const { texts, chats } = parseAnswers(utf8('{"texts": {"a": [1, 2], "b": []}}'), 'answers.json');
  assert.equal(
    [...texts],
    [
      ['a', [1, 2]],
      ['b', []],
    ],
  );
  assert.is(chats.size, 0);
});

for (const [title, json, where] of [
  ['no object', '[]', 'whole file'],
  ['a list for texts', '{"texts": []}', '/texts'],
  ['a text for a list', '{"texts": {"a": "1,2"}}', '/texts/a'],
  ['a fraction', '{"chats": {"a": [1.5]}}', '/chats/a'],
  ['a text for an id', '{"chats": {"a": ["1"]}}', '/chats/a'],
] as const) {
  files(`error: answers with ${title}`, async () => {
    const file = 'answers.json';
    await expectRefusal(() => parseAnswers(utf8(json), file), {
      ...{ code: 'conform-answers', where, file },
    });
  });
}

files.run();
