import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { collectText, generateText, type TextEvent } from '../../src/generate/generate-text.ts';
import { type GenerationOptions, resolveOptions } from '../../src/generate/options.ts';
import { expectRefusal } from '../support/refusal.ts';
import { byteTokenizer, type FakeSequence, scriptedSequence } from './fake-sequence.ts';

const test = suite('generate/generate-text');
/** 李 is the bytes E6 9D 8E, 😀 is F0 9F 98 80. */
const PIECES = [
  ...['', '<1>', '</s>', 'Hello', ' wor', 'ld', '\nQ', ': '],
  ...[[0xe6], [0x9d], [0x8e], [0xf0, 0x9f], [0x98, 0x80]],
];
const V = PIECES.length;
const TOKENIZER = byteTokenizer(PIECES);
const PROMPT = [1, 3];

function start(
  sequence: FakeSequence,
  user: GenerationOptions,
  signal?: AbortSignal,
): AsyncGenerator<TextEvent, void, undefined> {
  const options = resolveOptions(user, null, { vocabSize: V, eosTokenId: 2 });
  return generateText(sequence, PROMPT, TOKENIZER, options, signal);
}

async function eventsOf(script: number[], user: GenerationOptions = {}): Promise<TextEvent[]> {
  const events: TextEvent[] = [];
  for await (const event of start(scriptedSequence(V, script), user)) events.push(event);
  return events;
}

test('law: one event per token, then one with the reason and the usage', async () => {
  assert.equal(await eventsOf([3, 4, 5, 2]), [
    { text: 'Hello', tokenIds: [3], finishReason: null },
    { text: ' wor', tokenIds: [4], finishReason: null },
    { text: 'ld', tokenIds: [5], finishReason: null },
    { text: '', tokenIds: [2], finishReason: null },
    {
      text: '',
      tokenIds: [],
      finishReason: 'stop',
      usage: { promptTokens: 2, completionTokens: 4 },
    },
  ]);
});

test('law: the end token is in the ids and not in the text', async () => {
  const found = await collectText(start(scriptedSequence(V, [3, 2, 5]), {}));
  assert.equal(found, {
    text: 'Hello',
    outputIds: [3, 2],
    finishReason: 'stop',
    usage: { promptTokens: 2, completionTokens: 2 },
    stopString: null,
    logprobs: null,
  });
});

test('law: a character is never split over events', async () => {
  const events = await eventsOf([8, 9, 10, 11, 12, 3], { maxNewTokens: 6 });
  assert.equal(
    events.map(({ text }) => text),
    ['', '', '李', '', '😀', 'Hello', ''],
  );
  assert.is(events.at(-1)?.finishReason, 'length');
});

test('law: half a character at the end becomes U+FFFD in the last event', async () => {
  const events = await eventsOf([3, 8, 9], { maxNewTokens: 3 });
  assert.equal(
    events.map(({ text }) => text),
    ['Hello', '', '', '\ufffd'],
  );
});

test('law: a stop string across tokens ends the text, and is named', async () => {
  const sequence = scriptedSequence(V, [3, 6, 7, 5]);
  const found = await collectText(start(sequence, { stopStrings: ['\nQ:'] }));
  assert.equal([found.text, found.finishReason, found.stopString], ['Hello', 'stop', '\nQ:']);
  assert.equal(found.outputIds, [3, 6, 7]);
  assert.ok(sequence.closed.count > 0);
  assert.is(sequence.calls.length, 3);
});

test('law: a stop string closes the sequence before the last event', async () => {
  const sequence = scriptedSequence(V, [3, 6, 7, 5]);
  for await (const { finishReason } of start(sequence, { stopStrings: ['\nQ:'] })) {
    assert.is(sequence.closed.count > 0, finishReason !== null);
  }
});

test('law: a stop string is found where tokens split its characters', async () => {
  const found = await collectText(
    start(scriptedSequence(V, [3, 8, 9, 10, 5]), { stopStrings: '李' }),
  );
  assert.equal([found.text, found.outputIds], ['Hello', [3, 8, 9, 10]]);
});

test('law: text held back for a stop string comes when the text ends without it', async () => {
  const events = await eventsOf([3, 6], { maxNewTokens: 2, stopStrings: ['\nQ:'] });
  assert.equal(
    events.map(({ text }) => text),
    ['Hello', '', '\nQ'],
  );
  const ended = await eventsOf([3, 6, 2], { stopStrings: ['\nQ:'] });
  assert.is(ended.map(({ text }) => text).join(''), 'Hello\nQ');
});

test('law: without a tokenizer there are ids and no text', async () => {
  const options = resolveOptions({}, null, { vocabSize: V, eosTokenId: 2 });
  const found = await collectText(generateText(scriptedSequence(V, [8, 2]), [1], null, options));
  assert.is(found.text, null);
  assert.equal(found.outputIds, [8, 2]);
});

test('law: logprobs adds one entry per token', async () => {
  const events = await eventsOf([3, 2], { logprobs: 1 });
  const entries = events.flatMap(({ logprobs }) => logprobs ?? []);
  assert.equal(
    entries.map(({ tokenId, topLogprobs }) => [tokenId, topLogprobs?.length]),
    [
      [3, 1],
      [2, 1],
    ],
  );
  const found = await collectText(start(scriptedSequence(V, [3, 2]), { logprobs: 0 }));
  assert.is(found.logprobs?.length, 2);
});

test('law: leaving the loop closes the sequence, before the first event too', async () => {
  const broken = scriptedSequence(V, [3, 4]);
  for await (const _ of start(broken, {})) break;
  assert.ok(broken.closed.count > 0);
  const unused = scriptedSequence(V, [3]);
  await start(unused, {}).return();
  assert.equal([unused.closed.count > 0, unused.calls.length], [true, 0]);
});

test('error: an abort gives the text so far, closes, then rejects', async () => {
  const abort = new AbortController();
  const sequence = scriptedSequence(V, [3, 6, 8, 9], async ({ signal }, call) => {
    if (call === 4) abort.abort();
    signal?.throwIfAborted();
  });
  const events: TextEvent[] = [];
  let caught: unknown;
  try {
    for await (const event of start(sequence, { stopStrings: '\nQ:' }, abort.signal)) {
      if (event.finishReason !== null) assert.is(sequence.closed.count, 1);
      events.push(event);
    }
  } catch (error) {
    caught = error;
  }
  assert.is(events.map(({ text }) => text).join(''), 'Hello\nQ\ufffd');
  const last = events.at(-1);
  assert.equal([last?.finishReason, last?.usage?.completionTokens], ['aborted', 3]);
  assert.ok(caught instanceof BaichuanError && caught.code === 'aborted');
  assert.is(caught.where, 'after 3 new tokens');
  assert.match(caught.fix, 'Generate again');
});

test('error: stop strings without a tokenizer are refused, the sequence is closed', async () => {
  const options = resolveOptions({ stopStrings: 'x' }, null, { vocabSize: V });
  const sequence = scriptedSequence(V, [3]);
  await generateText(sequence, [1], null, options)
    .next()
    .catch(() => {});
  assert.equal([sequence.closed.count > 0, sequence.calls.length], [true, 0]);
  const again = () => generateText(scriptedSequence(V, [3]), [1], null, options).next();
  await expectRefusal(again, {
    code: 'generation-option',
    where: 'stopStrings',
    message: 'no tokenizer',
    fix: 'Give a tokenizer',
  });
});

test.run();
