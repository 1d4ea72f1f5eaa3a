import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type GeneratedToken, generateTokens } from '../../src/generate/generate.ts';
import { type GenerationOptions, resolveOptions } from '../../src/generate/options.ts';
import type { ModelSequence } from '../../src/generate/sequence.ts';
import { GOLDENS, idsOf } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';
import { fakeSequence, scriptedSequence } from './fake-sequence.ts';

const test = suite('generate/generate');
const V = 11;
const PROMPT = [3, 1, 4];

/** Logits that depend on all ids, the same for the same ids. */
function hashed(ids: readonly number[]): Float32Array {
  const state = ids.reduce((sum, id) => (Math.imul(sum, 31) + id + 7) >>> 0, 1);
  return Float32Array.from(
    { length: V },
    (_, id) => (Math.imul(state | 1, 2 * id + 1) >>> 8) / 2 ** 22,
  );
}

function start(sequence: ModelSequence, user: GenerationOptions, signal?: AbortSignal) {
  const options = resolveOptions(user, null, { vocabSize: V });
  return generateTokens(sequence, PROMPT, options, signal);
}

async function tokensOf(user: GenerationOptions): Promise<number[]> {
  const ids: number[] = [];
  for await (const { tokenId } of start(fakeSequence(V, hashed), user)) ids.push(tokenId);
  return ids;
}

test('law: the prompt is appended once, then each new token but the last', async () => {
  const sequence = scriptedSequence(V, [5, 6, 7, 8]);
  const tokens: number[] = [];
  for await (const { tokenId } of start(sequence, { maxNewTokens: 3 })) tokens.push(tokenId);
  assert.equal(tokens, [5, 6, 7]);
  assert.equal(sequence.calls, [PROMPT, [5], [6]]);
  assert.is(sequence.closed.count, 1);
});

test('law: it ends after an end token, which is yielded, or after maxNewTokens', async () => {
  const ended = start(scriptedSequence(V, [5, 2, 7]), { eosTokenId: [9, 2] });
  const found: IteratorResult<GeneratedToken, string>[] = [];
  for (let step = 0; step < 4; step++) found.push(await ended.next());
  assert.equal(found.slice(0, 3), [
    { value: { tokenId: 5 }, done: false },
    { value: { tokenId: 2 }, done: false },
    { value: 'stop', done: true },
  ]);
  const full = start(scriptedSequence(V, [5, 2, 7]), { maxNewTokens: 1 });
  await full.next();
  assert.equal(await full.next(), { value: 'length', done: true });
});

test('law: the end token as the last token allowed is a stop, not a length', async () => {
  const tokens = start(scriptedSequence(V, [5, 2]), { eosTokenId: 2, maxNewTokens: 2 });
  await tokens.next();
  await tokens.next();
  assert.equal(await tokens.next(), { value: 'stop', done: true });
});

test('law: every option changes the tokens', async () => {
  const base: GenerationOptions = { maxNewTokens: 24, doSample: true, topK: 0, seed: 1 };
  const plain = await tokensOf(base);
  assert.equal(await tokensOf(base), plain, 'the same options give the same tokens');
  const changes: GenerationOptions[] = [
    { seed: 2 },
    { doSample: false },
    { temperature: 0.25 },
    { topK: 2 },
    { topP: 0.4 },
    { minP: 0.5 },
    { repetitionPenalty: 3 },
    { maxNewTokens: 23 },
    { eosTokenId: plain[3] },
  ];
  for (const change of changes) {
    const found = await tokensOf({ ...base, ...change });
    assert.not.equal(found, plain, JSON.stringify(change));
  }
  assert.equal(
    await tokensOf({ ...base, eosTokenId: plain[3] }),
    plain.slice(0, plain.indexOf(plain[3]) + 1),
  );
});

test('law: greedy is the arg max of every step, and topK 1 with any seed is the same', async () => {
  const greedy = await tokensOf({ maxNewTokens: 12, greedy: true });
  const ids = [...PROMPT];
  for (const token of greedy) {
    const logits = [...hashed(ids)];
    assert.is(token, logits.indexOf(Math.max(...logits)));
    ids.push(token);
  }
  assert.equal(await tokensOf({ maxNewTokens: 12, topK: 1, seed: 5 }), greedy);
});

test('law: the repetition penalty counts prompt and output', async () => {
  // 4 is in the prompt and 5 the first answer: both halve; 6 and then 7 are next.
  const logits = Float32Array.of(0, 0, 0, 0, 10, 9, 6, 5, 0, 0, 0);
  const sequence = fakeSequence(V, () => logits);
  const ids: number[] = [];
  for await (const { tokenId } of start(sequence, { repetitionPenalty: 2, maxNewTokens: 3 })) {
    ids.push(tokenId);
  }
  // 10 / 2 = 5; then 9 / 2 = 4.5; then 6 / 2 = 3 and 4 (5) ties with 7 (5): the lower id.
  assert.equal(ids, [5, 6, 4]);
});

test('law: log-probabilities are those before the processors', async () => {
  // Logits 1 and 0: ln p = -ln(1 + 1/e) and one less.
  const logits = new Float32Array(V).fill(Number.NEGATIVE_INFINITY);
  logits.set([1, 0]);
  const options = { logprobs: 2, topK: 1, temperature: 0.1, maxNewTokens: 1, seed: 1 };
  const { value } = await start(
    fakeSequence(V, () => logits),
    options,
  ).next();
  assert.ok(value !== undefined && typeof value !== 'string');
  assert.ok(Math.abs((value.logprob ?? 0) - -0.31326168751822286) < 1e-15);
  assert.ok(Math.abs((value.topLogprobs?.[1].logprob ?? 0) - -1.3132616875182228) < 1e-15);
  assert.equal(
    value.topLogprobs?.map(({ tokenId }) => tokenId),
    [0, 1],
  );
  const none = await start(
    fakeSequence(V, () => logits),
    { maxNewTokens: 1 },
  ).next();
  assert.equal(Object.keys(none.value ?? {}), ['tokenId']);
});

test('law: leaving the loop closes the sequence, before the first step too', async () => {
  const broken = scriptedSequence(V, [5, 6, 7]);
  for await (const _ of start(broken, {})) break;
  assert.is(broken.closed.count > 0, true);
  assert.is(broken.calls.length, 1);
  const unused = scriptedSequence(V, [5]);
  await start(unused, {}).return('stop');
  assert.is(unused.closed.count > 0, true);
  assert.is(unused.calls.length, 0);
});

test('law: two generations at once do not touch each other', async () => {
  const options: GenerationOptions = { maxNewTokens: 30, doSample: true, seed: 4 };
  const other: GenerationOptions = { ...options, seed: 5 };
  const alone = [await tokensOf(options), await tokensOf(other)];
  assert.equal(await Promise.all([tokensOf(options), tokensOf(other)]), alone);
});

test('law: the event loop gets a turn at least every 50 ms', async () => {
  // Steps of 10 ms that never give way.
  const busy = async () => {
    const end = performance.now() + 10;
    while (performance.now() < end);
  };
  const lateTurns = async () => {
    const turns: number[] = [performance.now()];
    const timer = setInterval(() => turns.push(performance.now()), 1);
    for await (const _ of start(scriptedSequence(V, [], busy), { maxNewTokens: 40 }));
    clearInterval(timer);
    assert.ok(turns.length > 4, `${turns.length} turns`);
    return turns.slice(1).filter((time, index) => time - turns[index] > 50).length;
  };
  // 25 ms and one step; neighbours on the machine may hold up one round, but not every one.
  let late = await lateTurns();
  for (let round = 0; round < 20 && late > 0; round++) late = Math.min(late, await lateTurns());
  assert.is(late, 0, 'turns that came too late, in every round');
});

test('error: an abort before, within and between steps is refused and closes', async () => {
  for (const when of ['before', 'prefill', 'step', 'between']) {
    const abort = new AbortController();
    const sequence = scriptedSequence(V, [5, 6, 7, 8], async ({ signal }, call) => {
      if ((when === 'prefill' && call === 1) || (when === 'step' && call === 3)) abort.abort('why');
      signal?.throwIfAborted();
    });
    if (when === 'before') abort.abort('why');
    const ids: number[] = [];
    try {
      for await (const { tokenId } of start(sequence, { maxNewTokens: 4 }, abort.signal)) {
        ids.push(tokenId);
        if (when === 'between' && ids.length === 2) abort.abort('why');
      }
      assert.unreachable('the abort was ignored');
    } catch (error) {
      const count = when === 'before' || when === 'prefill' ? 0 : 2;
      assert.is(ids.length, count, when);
      assert.match(String(error), 'aborted');
      const again = await expectRefusal(() => Promise.reject(error), {
        code: 'aborted',
        where: `after ${count} new tokens`,
        fix: 'Generate again',
      });
      assert.is(again.cause, 'why');
      assert.is(sequence.closed.count, 1);
    }
  }
});

test('error: a fault of the model passes through and closes', async () => {
  const fault = new Error('broken');
  const sequence = scriptedSequence(V, [5, 6], async (_, call) => {
    if (call === 2) throw fault;
  });
  const tokens = start(sequence, {});
  await tokens.next();
  try {
    await tokens.next();
    assert.unreachable();
  } catch (error) {
    assert.is(error, fault);
  }
  assert.is(sequence.closed.count, 1);
});

for (const { name, config, generation } of GOLDENS) {
  const { vocabSize: V } = config;
  const prompt = idsOf(generation.get('prompt'));

  test(`golden: ${name}: the recorded logits give the recorded greedy tokens`, async () => {
    for (const penalty of ['1.0', '1.1', '1.5']) {
      const tokens = idsOf(generation.get(`penalty_${penalty}.tokens`));
      const logits = generation.get(`penalty_${penalty}.logits`)?.values ?? new Float32Array();
      const steps = logits.length / V;
      assert.ok(steps >= 12);
      const sequence = fakeSequence(V, (ids) => {
        const step = ids.length - prompt.length;
        return logits.subarray(step * V, (step + 1) * V);
      });
      const user = {
        maxNewTokens: steps,
        repetitionPenalty: Number(penalty),
        greedy: true,
        eosTokenId: null,
      };
      const options = resolveOptions(user, null, { vocabSize: V });
      const found = [...prompt];
      for await (const { tokenId } of generateTokens(sequence, prompt, options)) {
        found.push(tokenId);
      }
      assert.equal(found, tokens, `penalty ${penalty}`);
    }
  });
}

test.run();
