import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GenerationConfig } from '../../src/generate/generation-config.ts';
import {
  type GenerationOptions,
  type ResolvedOptions,
  resolveOptions,
} from '../../src/generate/options.ts';
import { expectRefusal } from '../support/refusal.ts';

const test = suite('generate/options');
const MODEL = { vocabSize: 100, eosTokenId: 2 };
const CHAT: GenerationConfig = {
  options: {
    maxNewTokens: 2048,
    doSample: true,
    temperature: 0.3,
    topK: 5,
    topP: 0.85,
    minP: 0.01,
    repetitionPenalty: 1.1,
    eosTokenIds: [2, 7],
    stopStrings: ['###'],
  },
  notices: [],
};

function resolve(user: GenerationOptions, file: GenerationConfig | null = null): ResolvedOptions {
  return resolveOptions(user, file, MODEL);
}

test("law: the defaults are Hugging Face's, with 64 new tokens", () => {
  assert.equal(resolve({}), {
    maxNewTokens: 64,
    doSample: false,
    temperature: 1,
    topK: 50,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    eosTokenIds: [2],
    stopStrings: [],
    seed: 0,
    logprobs: null,
    contextLength: null,
  });
});

test('law: the file replaces the defaults', () => {
  const { eosTokenIds, stopStrings, ...found } = resolve({}, CHAT);
  const { eosTokenIds: fileIds, stopStrings: fileStrings, ...expected } = CHAT.options;
  assert.equal(found, { ...expected, seed: 0, logprobs: null, contextLength: null });
  assert.equal([eosTokenIds, stopStrings], [fileIds, fileStrings]);
});

test('law: each option of the call replaces the file', () => {
  const user = {
    maxNewTokens: 3,
    doSample: true,
    temperature: 0.5,
    topK: 0,
    topP: 0.5,
    minP: 0,
    repetitionPenalty: 1,
    seed: 9,
    logprobs: 4,
    contextLength: 77,
  };
  assert.equal(resolve({ ...user, eosTokenId: 4, stopStrings: 'x' }, CHAT), {
    ...user,
    eosTokenIds: [4],
    stopStrings: ['x'],
  });
});

test('law: an option that is undefined is one that was not given', () => {
  const user = { temperature: undefined, topK: undefined, eosTokenId: undefined, seed: undefined };
  assert.equal(resolve(user), resolve({}));
});

test('law: asking for a temperature, top_k, top_p or min_p turns sampling on', () => {
  const asks: GenerationOptions[] = [
    { temperature: 0.7 },
    { topK: 3 },
    { topP: 0.9 },
    { minP: 0.1 },
  ];
  for (const ask of asks) {
    assert.is(resolve(ask).doSample, true);
    assert.is(resolve({ ...ask, greedy: true }).doSample, false);
    assert.is(resolve({ ...ask, doSample: false }).doSample, false);
  }
  for (const other of [{ seed: 1 }, { repetitionPenalty: 2 }, { maxNewTokens: 1 }]) {
    assert.is(resolve(other).doSample, false);
  }
});

test('law: greedy overrides a file that samples, and temperature 0 means greedy', () => {
  assert.is(resolve({}, CHAT).doSample, true);
  assert.is(resolve({ greedy: true }, CHAT).doSample, false);
  assert.is(resolve({ greedy: false }, CHAT).doSample, true);
  assert.is(resolve({ temperature: 0 }, CHAT).doSample, false);
  assert.is(resolve({ temperature: 0, doSample: true }).doSample, false);
  const cold = { options: { doSample: true, temperature: 0 }, notices: [] };
  assert.is(resolve({}, cold).doSample, false);
  assert.is(resolve({ temperature: 0.8 }, cold).doSample, true);
});

test('law: end tokens are a number, a list, or none', () => {
  assert.equal(resolve({ eosTokenId: [4, 5] }, CHAT).eosTokenIds, [4, 5]);
  assert.equal(resolve({ eosTokenId: null }, CHAT).eosTokenIds, []);
  assert.equal(resolve({ eosTokenId: [] }, CHAT).eosTokenIds, []);
  assert.equal(resolveOptions({}, null, { vocabSize: 9 }).eosTokenIds, []);
  const none = { options: { eosTokenIds: [] }, notices: [] };
  assert.equal(resolve({}, none).eosTokenIds, []);
});

/** Name, value and a part of the allowed range. */
const WRONG: [string, unknown, string][] = [
  ['maxNewTokens', 0, 'an integer from 1 to 1048576'],
  ['maxNewTokens', -1, 'from 1'],
  ['maxNewTokens', 1.5, 'an integer'],
  ['maxNewTokens', 1e9, 'to 1048576'],
  ['maxNewTokens', '5', 'an integer'],
  ['temperature', -1, 'from 0 to 1000000'],
  ['temperature', Number.NaN, 'a number'],
  ['temperature', Number.POSITIVE_INFINITY, 'to 1000000'],
  ['temperature', 1e-9, '0 (greedy), or from 0.000001'],
  ['temperature', null, 'a number'],
  ['topK', -1, 'from 0'],
  ['topK', 2.5, 'an integer'],
  ['topP', 1.01, 'from 0 to 1'],
  ['topP', -0.1, 'from 0 to 1'],
  ['minP', 2, 'from 0 to 1'],
  ['repetitionPenalty', 0, 'from 0.000001'],
  ['repetitionPenalty', -1, 'from 0.000001'],
  ['doSample', 'yes', 'true or false'],
  ['greedy', 1, 'true or false'],
  ['seed', -1, 'from 0 to 9007199254740991'],
  ['seed', 2 ** 53, 'an integer'],
  ['logprobs', 21, 'from 0 to 20'],
  ['contextLength', 0, 'from 1'],
  ['eosTokenId', 100, 'token ids from 0 to 99'],
  ['eosTokenId', [2, -1], 'token ids from 0 to 99'],
  ['eosTokenId', 'x', 'token ids from 0 to 99'],
  ['stopStrings', [''], 'stop string 0 is empty'],
  ['stopStrings', ['a', 3], 'stop string 1 is not a string'],
  ['stopStrings', ['a'.repeat(1001)], 'at most 1000'],
  ['stopStrings', new Array(65).fill('a'), 'at most 64'],
  ['stopStrings', ['\ud83d'], 'half a surrogate pair'],
  ['stopStrings', 5, 'stop string 0 is not a string'],
  ['stopStrings', {}, 'a string or a list'],
];

test('error: an option out of its range is refused with its name and range', async () => {
  for (const [name, value, message] of WRONG) {
    const user = { [name]: value } as GenerationOptions;
    await expectRefusal(() => resolve(user), {
      code: 'generation-option',
      where: name,
      message,
      fix: /^Give/,
    });
  }
});

test('error: greedy and doSample exclude each other', async () => {
  await expectRefusal(() => resolve({ greedy: true, doSample: true }), {
    code: 'generation-option',
    where: 'greedy',
    message: 'exclude each other',
    fix: 'Give one of the two.',
  });
});

test("error: an unknown option is refused; Hugging Face's name is told ours", async () => {
  await expectRefusal(() => resolve({ max_new_tokens: 5 } as GenerationOptions), {
    code: 'generation-option',
    where: 'max_new_tokens',
    message: 'no option of this name',
    fix: 'Write maxNewTokens.',
  });
  await expectRefusal(() => resolve({ numBeams: 4 } as GenerationOptions), {
    code: 'generation-option',
    where: 'numBeams',
    fix: /^Give one of maxNewTokens, /,
  });
});

test.run();
