import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generateTokens } from '../../src/generate/generate.ts';
import { type GenerationOptions, resolveOptions } from '../../src/generate/options.ts';
import { expectRefusal } from '../support/refusal.ts';
import { fakeSequence, oneHigh, scriptedSequence } from './fake-sequence.ts';

const test = suite('generate/generate-checks');
const V = 11;
const PROMPT = [3, 1, 4];
const OPTIONS = resolveOptions({}, null, { vocabSize: V });

/** Options are made for V; the prompt is given. */
function startWith(prompt: readonly number[], user: GenerationOptions = {}) {
  const sequence = scriptedSequence(V, [5]);
  const tokens = generateTokens(sequence, prompt, resolveOptions(user, null, { vocabSize: V }));
  return { sequence, first: () => tokens.next() };
}

test('error: an empty prompt and ids out of range are refused before any work', async () => {
  await expectRefusal(() => startWith([]).first(), {
    code: 'prompt-empty',
    where: 'prompt',
    fix: 'Give at least one character',
  });
  for (const [id, shown] of [
    [V, '11'],
    [-1, '-1'],
    [1.5, '1.5'],
    [Number.NaN, 'NaN'],
  ] as const) {
    const { sequence, first } = startWith([1, id]);
    const code = 'token-id';
    assert.is(sequence.calls.length, 0);
    await expectRefusal(() => startWith([1, id]).first(), {
      code,
      where: 'prompt[1]',
      message: [shown, '0 to 10'],
      fix: 'Encode the text',
    });
    await first().catch(() => {});
    assert.equal([sequence.calls.length, sequence.closed.count], [0, 1]);
  }
});

test('error: what does not fit the context is refused at once, with both numbers', async () => {
  const options = { contextLength: 8, maxNewTokens: 6 };
  await expectRefusal(() => startWith(PROMPT, options).first(), {
    code: 'context-length',
    where: 'contextLength',
    message: ['3 tokens', '6 new', '9 positions', 'length is 8'],
    fix: 'Shorten the prompt',
    expected: 8,
    found: 9,
  });
  const fits = startWith(PROMPT, { ...options, maxNewTokens: 5 });
  assert.is((await fits.first()).done, false);
});

test('error: logits that are no numbers, or too few, are refused', async () => {
  const wrong: [Float32Array, 'logits-not-finite' | 'shape-mismatch', string][] = [
    [oneHigh(V, 3).fill(Number.NaN, 4, 5), 'logits-not-finite', 'token 4 is NaN'],
    [
      oneHigh(V, 3).fill(Number.POSITIVE_INFINITY, 6, 7),
      'logits-not-finite',
      'token 6 is Infinity',
    ],
    [oneHigh(V, 3).fill(Number.NEGATIVE_INFINITY), 'logits-not-finite', 'every token'],
    [oneHigh(V - 1, 3), 'shape-mismatch', '10 logits for a vocabulary of 11'],
  ];
  for (const [logits, code, message] of wrong) {
    await expectRefusal(
      () =>
        generateTokens(
          fakeSequence(V, () => logits),
          PROMPT,
          OPTIONS,
        ).next(),
      {
        code,
        where: /^logits/,
        message,
        fix: /^(Check the weights|Give the model)/,
      },
    );
  }
});

test.run();
