/** Generation as text: tokens decoded as they come, never half a character, cut at stop strings. */
import { BaichuanError } from '../errors.ts';
import type { StreamDecoder } from '../tokenizer/index.ts';
import {
  closeOnReturn,
  type FinishReason,
  type GeneratedToken,
  generateTokens,
} from './generate.ts';
import type { ResolvedOptions } from './options.ts';
import type { ModelSequence } from './sequence.ts';
import { makeStopMatcher, type StopResult } from './stop-strings.ts';

/** What generation needs of a tokenizer. */
export interface TextTokenizer {
  streamDecoder(): StreamDecoder;
}

/** Tokens that went into a generation and came out of it, the one that ended it included. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
}

/** One step of a generation: a token and the text that is certain after it, which may be empty.
 *  The last event holds no token but the remaining text, the reason of the end and the usage. */
export interface TextEvent {
  /** null when there is no tokenizer. */
  text: string | null;
  tokenIds: readonly number[];
  /** One entry per token, when the options ask for log-probabilities. */
  logprobs?: readonly GeneratedToken[];
  /** null until the last event. */
  finishReason: FinishReason | null;
  /** In the last event, the stop string that ended the text, if one did. */
  stopString?: string;
  /** In the last event. */
  usage?: Usage;
}

/** Generates text after a prompt. Tokens and texts that end it are no part of the text; a token
 *  that does is part of the ids. After an abort the last event, with what text there is, comes
 *  before the rejection.
 *  @param sequence closed at the end @param promptIds at least one
 *  @param tokenizer null for ids only @param options see `resolveOptions`
 *  @returns one event per token and a last one
 *  @throws generation-option for stop strings without a tokenizer; what `generateTokens` does */
export function generateText(
  sequence: ModelSequence,
  promptIds: readonly number[],
  tokenizer: TextTokenizer | null,
  options: ResolvedOptions,
  signal?: AbortSignal,
): AsyncGenerator<TextEvent, void, undefined> {
  const tokens = generateTokens(sequence, promptIds, options, signal);
  const events = textEvents(tokens, tokenizer, options, promptIds.length);
  return closeOnReturn(events, () => sequence.close());
}

/** A whole generation. */
export interface GeneratedText {
  /** null when there is no tokenizer. */
  text: string | null;
  outputIds: number[];
  finishReason: FinishReason;
  usage: Usage;
  stopString: string | null;
  /** null when the options do not ask for log-probabilities. */
  logprobs: GeneratedToken[] | null;
}

/** Waits for the end of a generation and joins its events.
 *  @throws what the events do */
export async function collectText(events: AsyncIterable<TextEvent>): Promise<GeneratedText> {
  const result: GeneratedText = {
    text: null,
    outputIds: [],
    finishReason: 'aborted',
    usage: { promptTokens: 0, completionTokens: 0 },
    stopString: null,
    logprobs: null,
  };
  for await (const event of events) {
    if (event.text !== null) result.text = (result.text ?? '') + event.text;
    result.outputIds.push(...event.tokenIds);
    if (event.logprobs !== undefined) {
      result.logprobs = [...(result.logprobs ?? []), ...event.logprobs];
    }
    result.finishReason = event.finishReason ?? result.finishReason;
    result.stopString = event.stopString ?? result.stopString;
    result.usage = event.usage ?? result.usage;
  }
  return result;
}

async function* textEvents(
  tokens: AsyncGenerator<GeneratedToken, FinishReason, undefined>,
  tokenizer: TextTokenizer | null,
  options: ResolvedOptions,
  promptTokens: number,
): AsyncGenerator<TextEvent, void, undefined> {
  const usage: Usage = { promptTokens, completionTokens: 0 };
  try {
    const stream = makeTextStream(tokenizer, options);
    try {
      for (;;) {
        const next = await tokens.next();
        if (next.done === true) {
          yield { ...stream.finish(next.value), usage };
          return;
        }
        usage.completionTokens += 1;
        const event = stream.push(next.value);
        yield event;
        if (!stream.isStopped()) continue;
        await tokens.return('stop');
        yield { ...stream.finish('stop'), usage };
        return;
      }
    } catch (error) {
      if (error instanceof BaichuanError && error.code === 'aborted') {
        yield { ...stream.finish('aborted'), usage };
      }
      throw error;
    }
  } finally {
    await tokens.return('stop');
  }
}

/** Tokens → events, with the decoder and the stop strings between them. */
interface TextStream {
  push(token: GeneratedToken): TextEvent;
  isStopped(): boolean;
  finish(reason: FinishReason): TextEvent;
}

function makeTextStream(tokenizer: TextTokenizer | null, options: ResolvedOptions): TextStream {
  const { eosTokenIds, stopStrings } = options;
  if (tokenizer === null && stopStrings.length > 0) throw noTokenizer();
  const decoder = tokenizer?.streamDecoder() ?? null;
  const matcher = makeStopMatcher(stopStrings);
  let stopString: string | null = null;

  /** Text through the stop strings; null without a tokenizer. */
  function show(text: string): string | null {
    if (decoder === null) return null;
    const result: StopResult = matcher.push(text);
    stopString ??= result.stopString;
    return result.text;
  }

  return {
    push(token) {
      const { tokenId } = token;
      const ends = eosTokenIds.includes(tokenId);
      const text = show(ends || decoder === null ? '' : decoder.push(tokenId));
      const event: TextEvent = { text, tokenIds: [tokenId], finishReason: null };
      return options.logprobs === null ? event : { ...event, logprobs: [token] };
    },
    isStopped: () => stopString !== null,
    finish(reason) {
      let text = decoder === null ? null : '';
      if (decoder !== null && stopString === null) {
        text = `${show(decoder.end())}${matcher.finish()}`;
      }
      const finishReason = stopString === null ? reason : 'stop';
      const event: TextEvent = { text, tokenIds: [], finishReason };
      return stopString === null ? event : { ...event, stopString };
    },
  };
}

function noTokenizer(): BaichuanError {
  return new BaichuanError('generation-option', {
    where: 'stopStrings',
    what: 'stop strings need text, but there is no tokenizer.',
    fix: 'Give a tokenizer, or end the text with eosTokenId.',
  });
}
