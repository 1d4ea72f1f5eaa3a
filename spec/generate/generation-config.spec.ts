import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../src/errors.ts';
import {
  type GenerationConfig,
  parseGenerationConfig,
} from '../../src/generate/generation-config.ts';
import { expectRefusal } from '../support/refusal.ts';

const test = suite('generate/generation-config');
const FILE = 'generation_config.json';

/** As published with Baichuan-13B-Chat. */
const PUBLISHED = `{
  "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
  "user_token_id": 195, "assistant_token_id": 196,
  "max_new_tokens": 2048, "temperature": 0.3, "top_k": 5, "top_p": 0.85,
  "repetition_penalty": 1.1, "do_sample": true, "transformers_version": "4.29.2"
}`;

function parse(text: string, vocabSize = 64_000): GenerationConfig {
  return parseGenerationConfig(new TextEncoder().encode(text), { file: FILE, vocabSize });
}

/** Without the fields that are undefined. */
function given(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

test('golden: the published file of 13B-Chat is read whole, without a notice', () => {
  assert.equal(given(parse(PUBLISHED)), {
    options: {
      maxNewTokens: 2048,
      doSample: true,
      temperature: 0.3,
      topK: 5,
      topP: 0.85,
      repetitionPenalty: 1.1,
      eosTokenIds: [2],
    },
    userTokenId: 195,
    assistantTokenId: 196,
    bosTokenId: 1,
    padTokenId: 0,
    notices: [],
  });
});

test('law: end tokens and stop strings may be one or a list, min_p is read', () => {
  assert.equal(parse('{"eos_token_id": [2, 196]}').options.eosTokenIds, [2, 196]);
  assert.equal(parse('{"eos_token_id": []}').options.eosTokenIds, []);
  assert.equal(parse('{"stop_strings": "###"}').options.stopStrings, ['###']);
  assert.equal(parse('{"stop_strings": ["a", "b"]}').options.stopStrings, ['a', 'b']);
  assert.is(parse('{"min_p": 0.05}').options.minP, 0.05);
});

test('law: null is unset, and 1.0 is a number like 1', () => {
  const config = parse('{"eos_token_id": null, "top_p": 1.0, "num_beams": null, "min_p": null}');
  assert.equal(given(config), { options: { topP: 1 }, notices: [] });
  assert.equal(given(parse('{}')), { options: {}, notices: [] });
});

test('law: keys that change nothing at their value need no notice', () => {
  const neutral = `{"use_cache": false, "num_beams": 1, "no_repeat_ngram_size": 0, "max_length": 20,
    "typical_p": 1.0, "bad_words_ids": [], "_from_model_config": true, "length_penalty": 2.0,
    "sequence_bias": {}, "suppress_tokens": null}`;
  assert.equal(parse(neutral).notices, []);
});

test('law: a key that would change the result is named with its value, before unknown ones', () => {
  const { notices } = parse(
    '{"wizardry": "x\\u202e", "num_beams": 4, "max_length": 4096, "bad_words_ids": [[5]]}',
  );
  const different = 'is not implemented: tokens may differ from those of Hugging Face';
  assert.equal(notices, [
    `${FILE}: "num_beams": 4 ${different}.`,
    `${FILE}: "max_length": 4096 ${different}; set max_new_tokens instead.`,
    `${FILE}: "bad_words_ids": an array of 1 ${different}.`,
    `${FILE}: "wizardry": "x\\u202e" is an unknown key; it is not used.`,
  ]);
});

test('law: every key is honoured, known to change nothing, or in a notice', () => {
  const keys = ['__proto__', 'constructor', 'top_n', 'guidance_scale', 'min_length', 'typical_p'];
  for (const key of keys) {
    const { notices } = parse(`{"${key}": 7}`);
    assert.is(notices.length, 1);
    assert.ok(notices[0].includes(`"${key}": 7`));
  }
});

/** CF10 and its like: text, pointer and part of the message. */
const WRONG: [string, string, string][] = [
  ['{"eos_token_id": 64000}', '/eos_token_id', 'from 0 to 63999'],
  ['{"eos_token_id": [2, 64000]}', '/eos_token_id/1', 'from 0 to 63999'],
  ['{"eos_token_id": "2"}', '/eos_token_id', '"2"'],
  ['{"user_token_id": 64000}', '/user_token_id', 'from 0 to 63999'],
  ['{"assistant_token_id": -1}', '/assistant_token_id', '-1'],
  ['{"bos_token_id": 1.5}', '/bos_token_id', '1.5'],
  ['{"pad_token_id": 9007199254740993}', '/pad_token_id', '9007199254740993'],
  ['{"temperature": -0.5}', '/temperature', 'from 0 to 1000000'],
  ['{"temperature": 1e999}', '/temperature', '1e999'],
  ['{"temperature": 1e-9}', '/temperature', '0 (greedy)'],
  ['{"temperature": "hot"}', '/temperature', '"hot"'],
  ['{"top_k": -1}', '/top_k', 'from 0'],
  ['{"top_p": 1.5}', '/top_p', 'from 0 to 1'],
  ['{"min_p": -1}', '/min_p', 'from 0 to 1'],
  ['{"repetition_penalty": 0}', '/repetition_penalty', 'from 0.000001'],
  ['{"max_new_tokens": 0}', '/max_new_tokens', 'from 1'],
  ['{"do_sample": 1}', '/do_sample', 'true or false'],
  ['{"stop_strings": [""]}', '/stop_strings', 'is empty'],
  ['{"stop_strings": [1]}', '/stop_strings', 'not a string'],
  ['[]', 'the whole file', 'an object is needed'],
];

test('error: CF10: a value out of range is refused with file, pointer and range', async () => {
  for (const [text, where, message] of WRONG) {
    const code = 'generation-config';
    await expectRefusal(() => parse(text), { code, file: FILE, where, message, fix: /^C/ });
  }
});

test('error: what is not JSON, or has a key twice, is refused', async () => {
  const cases: [string, ErrorCode][] = [
    ['{"top_k": 5,}', 'json-syntax'],
    ['', 'json-syntax'],
    ['{"top_k": 5, "top_k": 6}', 'json-duplicate-key'],
    [' '.repeat(1_048_577), 'json-size'],
  ];
  for (const [text, code] of cases) await expectRefusal(() => parse(text), { code, file: FILE });
});

test.run();
