/** Generation with a loaded model: prompt in any form, options, tokenizer and sequence joined. */

import { BaichuanError } from '../errors.ts';
import { buildChatPrompt, type ChatMessage } from '../generate/chat-prompt.ts';
import {
  collectText,
  type GeneratedText,
  generateText,
  type TextEvent,
} from '../generate/generate-text.ts';
import {
  type GenerationOptions,
  type ResolvedOptions,
  resolveOptions,
} from '../generate/options.ts';
import type { ModelSequence } from '../generate/sequence.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { LanguageModel } from './language-model.ts';

/** What to continue: text, a chat, or token ids, which need no tokenizer and give no text. */
export type Prompt =
  | string
  | { readonly messages: readonly ChatMessage[] }
  | { readonly ids: readonly number[] };

export interface GenerateOptions extends GenerationOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told once when the prompt or the answer leaves the positions that the model was trained for,
   *  and when messages of a chat were dropped. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

/** A prompt that is ready to run. */
export interface PreparedPrompt {
  readonly ids: readonly number[];
  readonly tokenizer: Tokenizer | null;
  readonly options: ResolvedOptions;
}

/** Turns a prompt into ids and settles the options.
 *  @throws generation-option, chat-message, directory-missing when text needs a tokenizer */
export async function preparePrompt(
  model: LanguageModel,
  prompt: Prompt,
  { signal: _signal, onNotice, ...user }: GenerateOptions,
): Promise<PreparedPrompt> {
  const { vocabSize, eosTokenId, modelMaxLength } = model.config;
  const options = resolveOptions(user, model.generationConfig, { vocabSize, eosTokenId });
  if (typeof prompt === 'object' && prompt !== null && 'ids' in prompt) {
    return { ids: prompt.ids, tokenizer: null, options };
  }
  if (typeof prompt !== 'string' && !Array.isArray(prompt?.messages)) throw noPrompt();
  const tokenizer = await model.tokenizer();
  if (typeof prompt === 'string') return { ids: tokenizer.encode(prompt), tokenizer, options };
  const chat = buildChatPrompt(prompt.messages, {
    tokenizer,
    roles: model.generationConfig,
    modelMaxLength,
    maxNewTokens: options.maxNewTokens,
  });
  if (chat.droppedRounds > 0 || chat.cutTokens > 0) {
    const dropped = `${chat.droppedRounds} rounds dropped, ${chat.cutTokens} tokens cut`;
    onNotice?.(`The chat does not fit ${modelMaxLength} positions: ${dropped}, oldest first.`);
  }
  return { ids: chat.promptIds, tokenizer, options };
}

function noPrompt(): BaichuanError {
  return new BaichuanError('option-value', {
    where: 'prompt',
    what: 'This is no prompt.',
    fix: 'Pass text, { messages } of a chat, or { ids }.',
  });
}

/** Continues a prompt, event by event; leaving the loop stops the work. A generator that is dropped
 *  half-way, without `return()`, keeps its part of the cache until the model is closed.
 *  @param prompt text, messages or ids @returns one event per token and a last one
 *  @throws generation-option, prompt-empty, token-id, context-length, aborted */
export async function* generate(
  model: LanguageModel,
  prompt: Prompt,
  options: GenerateOptions = {},
): AsyncGenerator<TextEvent, void, undefined> {
  yield* runPrompt(model, await preparePrompt(model, prompt, options), options);
}

/** Continues a prompt to the end. @throws what `generate` does */
export async function complete(
  model: LanguageModel,
  prompt: Prompt,
  options: GenerateOptions = {},
): Promise<GeneratedText> {
  return collectText(generate(model, prompt, options));
}

/** Runs a prepared prompt. @throws prompt-empty, token-id, context-length, aborted */
export function runPrompt(
  model: LanguageModel,
  { ids, tokenizer, options }: PreparedPrompt,
  { signal, onNotice }: Pick<GenerateOptions, 'signal' | 'onNotice'> = {},
): AsyncGenerator<TextEvent, void, undefined> {
  const limit = Math.min(options.contextLength ?? model.contextLength, model.contextLength);
  const trained = model.config.modelMaxLength;
  const needed = ids.length + options.maxNewTokens;
  if (needed > trained && needed <= limit) {
    const beyond = `prompt and new tokens may reach position ${needed}`;
    onNotice?.(`The model was trained on ${trained} positions; ${beyond}, where quality may drop.`);
  }
  const sequence = model.openSequence();
  const speakable = tokenizer === null ? sequence : speakableOnly(sequence, tokenizer);
  return generateText(speakable, ids, tokenizer, { ...options, contextLength: limit }, signal);
}

/** Rows of the vocabulary beyond the tokenizer's pieces have no text: they are never chosen. */
function speakableOnly(sequence: ModelSequence, { vocabSize: pieces }: Tokenizer): ModelSequence {
  if (pieces >= sequence.vocabSize) return sequence;
  return {
    vocabSize: sequence.vocabSize,
    get length() {
      return sequence.length;
    },
    append: async (ids, options) =>
      (await sequence.append(ids, options)).fill(Number.NEGATIVE_INFINITY, pieces),
    close: () => sequence.close(),
  };
}
