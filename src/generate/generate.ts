/** The generation loop: append, process the logits, choose a token, and again.
 *
 *  It ends after a token that ends the text ('stop') or after `maxNewTokens` ('length'). Whatever
 *  way it ends, by an error, an abort or a consumer that stops asking, the sequence is closed. */

import { BaichuanError } from '../errors.ts';
import { makeTurns } from '../turns.ts';
import { expectContext, expectLogits, expectPrompt } from './generate-checks.ts';
import type { ResolvedOptions } from './options.ts';
import { processLogits } from './processors.ts';
import { makeRandom, type Random } from './random.ts';
import { argMax } from './ranking.ts';
import { logprobs, sampleToken, type TokenLogprob } from './sampler.ts';
import type { ModelSequence } from './sequence.ts';

/** Why a generation ended; 'stop' is a token or a text that ends it. */
export type FinishReason = 'stop' | 'length' | 'aborted';

/** One new token; log-probabilities only when the options ask for them. */
export interface GeneratedToken {
  tokenId: number;
  /** Log-probability under the model, before any processor. */
  logprob?: number;
  /** The likeliest tokens, descending. */
  topLogprobs?: readonly TokenLogprob[];
}

/** The event loop takes a turn after this long; the steps themselves are kept below 50 ms by
 *  whoever implements `append`. */
const TURN_MS = 25;

/** Generates tokens after a prompt. The token that ends the text is yielded too.
 *  @param sequence closed at the end @param promptIds at least one, each 0 … V - 1
 *  @param options see `resolveOptions` @param signal looked at before every step
 *  @returns the tokens as they come, then 'stop' or 'length'
 *  @throws prompt-empty, token-id, context-length, logits-not-finite, aborted: at the first step
 *    that meets the fault */
export function generateTokens(
  sequence: ModelSequence,
  promptIds: readonly number[],
  options: ResolvedOptions,
  signal?: AbortSignal,
): AsyncGenerator<GeneratedToken, FinishReason, undefined> {
  const generator = tokenLoop(sequence, promptIds, options, signal);
  return closeOnReturn(generator, () => sequence.close());
}

/** Lets `return()` close a generator that has not started, whose `finally` would not run.
 *  @returns the same generator */
export function closeOnReturn<T, R>(
  generator: AsyncGenerator<T, R, undefined>,
  close: () => void,
): AsyncGenerator<T, R, undefined> {
  const finish = generator.return.bind(generator);
  return Object.assign(generator, {
    return: (value: R | PromiseLike<R>) => finish(value).finally(close),
  });
}

async function* tokenLoop(
  sequence: ModelSequence,
  promptIds: readonly number[],
  options: ResolvedOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<GeneratedToken, FinishReason, undefined> {
  try {
    expectPrompt(promptIds, sequence.vocabSize);
    expectContext(sequence.length + promptIds.length, options);
    const random = makeRandom(options.seed);
    const contextIds = new Set(promptIds);
    const takeTurn = makeTurns(TURN_MS);
    let pending = promptIds;

    for (let count = 1; ; count++) {
      await takeTurn();
      throwIfAborted(signal, count - 1);
      const logits = await appendOrAbort(sequence, pending, signal, count - 1);
      expectLogits(logits, sequence.vocabSize, sequence.length);

      const token = chooseToken(logits, contextIds, options, random);
      yield token;
      if (options.eosTokenIds.includes(token.tokenId)) return 'stop';
      if (count >= options.maxNewTokens) return 'length';
      contextIds.add(token.tokenId);
      pending = [token.tokenId];
    }
  } finally {
    sequence.close();
  }
}

function chooseToken(
  logits: Float32Array,
  contextIds: ReadonlySet<number>,
  options: ResolvedOptions,
  random: Random,
): GeneratedToken {
  const scores = processLogits(logits, contextIds, options);
  const tokenId = options.doSample ? sampleToken(scores, random) : argMax(scores);
  return options.logprobs === null
    ? { tokenId }
    : { tokenId, ...logprobs(logits, tokenId, options.logprobs) };
}

async function appendOrAbort(
  sequence: ModelSequence,
  tokenIds: readonly number[],
  signal: AbortSignal | undefined,
  count: number,
): Promise<Float32Array> {
  try {
    return await sequence.append(tokenIds, { signal });
  } catch (error) {
    // A step may end with the signal's own reason; a fault of the step stays what it is.
    if (!(error instanceof BaichuanError)) throwIfAborted(signal, count);
    throw error;
  }
}

function throwIfAborted(signal: AbortSignal | undefined, count: number): void {
  if (signal?.aborted !== true) return;
  throw new BaichuanError('aborted', {
    where: `after ${count} new tokens`,
    what: 'the generation was aborted by its signal.',
    fix: 'Generate again without aborting to get the rest.',
    found: count,
    cause: signal.reason,
  });
}
