/** What a generation checks before and while it runs. */
import { BaichuanError } from '../errors.ts';
import type { ResolvedOptions } from './options.ts';

/** A prompt must hold a token, and only tokens of the vocabulary.
 *  @param vocabSize V @throws prompt-empty, token-id */
export function expectPrompt(promptIds: readonly number[], vocabSize: number): void {
  if (promptIds.length === 0) {
    throw new BaichuanError('prompt-empty', {
      where: 'prompt',
      what: 'the prompt holds no token, and these models put no start token before it.',
      fix: 'Give at least one character of text, or ids such as the start token 1.',
      expected: 1,
      found: 0,
    });
  }
  for (const [index, id] of promptIds.entries()) {
    if (Number.isSafeInteger(id) && id >= 0 && id < vocabSize) continue;
    throw new BaichuanError('token-id', {
      where: `prompt[${index}]`,
      what: `${id} is no token id: they run from 0 to ${vocabSize - 1}.`,
      fix: 'Encode the text with the tokenizer of this model.',
      expected: `0 to ${vocabSize - 1}`,
      found: String(id),
    });
  }
}

/** Prompt and new tokens must fit the context, if it has a limit.
 *  @param promptLength tokens before the first new one @throws context-length */
export function expectContext(promptLength: number, options: ResolvedOptions): void {
  const { contextLength, maxNewTokens } = options;
  const needed = promptLength + maxNewTokens;
  if (contextLength === null || needed <= contextLength) return;
  throw new BaichuanError('context-length', {
    where: 'contextLength',
    what:
      `a prompt of ${promptLength} tokens and ${maxNewTokens} new ones need ${needed} positions, ` +
      `but the context length is ${contextLength}.`,
    fix: 'Shorten the prompt, lower maxNewTokens or raise contextLength.',
    expected: contextLength,
    found: needed,
  });
}

/** Logits must be numbers: -Infinity may stand for a token that cannot follow, NaN for nothing.
 *  @param logits `[V]` @param position of the token they come after, counted from 1
 *  @throws logits-not-finite, shape-mismatch */
export function expectLogits(logits: Float32Array, vocabSize: number, position: number): void {
  if (logits.length !== vocabSize) {
    throw new BaichuanError('shape-mismatch', {
      where: 'logits',
      what: `the model gave ${logits.length} logits for a vocabulary of ${vocabSize}.`,
      fix: 'Give the model and its sequence the same vocabulary size.',
      expected: vocabSize,
      found: logits.length,
    });
  }
  let greatest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id];
    if (!(logit < Number.POSITIVE_INFINITY)) throw notFinite(`token ${id} is ${logit}`, position);
    if (logit > greatest) greatest = logit;
  }
  if (greatest === Number.NEGATIVE_INFINITY) throw notFinite('every token is -Infinity', position);
}

function notFinite(what: string, position: number): BaichuanError {
  return new BaichuanError('logits-not-finite', {
    where: `logits after token ${position}`,
    what: `the logit of ${what}: the weights hold NaN or infinities, or a computation overflowed.`,
    fix: 'Check the weights against the published ones, or load them without quantization.',
    expected: 'finite logits',
    found: what,
  });
}
