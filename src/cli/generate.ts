/** `baichuan generate`: continues a prompt, streaming. */

import {
  BaichuanError,
  collectText,
  type GeneratedText,
  type GeneratedToken,
  type GenerateOptions,
  type PreparedPrompt,
  type Prompt,
  preparePrompt,
  quote,
  resolveOptions,
  runPrompt,
  type TextEvent,
  type Tokenizer,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import {
  type Command,
  JSON_OPTION,
  loadModel,
  MODEL_OPTION,
  noticePrinter,
  PROMPT_OPTIONS,
  promptOf,
} from './command.ts';
import { COMPUTE_OPTIONS } from './compute.ts';
import { type Arguments, expectNoWords } from './options.ts';

export const generateCommand: Command = {
  name: 'generate',
  summary: 'continue a prompt',
  usage: 'baichuan generate (-p TEXT | --prompt-ids IDS | -f FILE) [options]',
  examples: [
    "baichuan generate -p $'Hamlet->Shakespeare\\nOne Hundred Years of Solitude->'",
    'baichuan generate -m ./Baichuan-13B-Chat --chat -p 你好 --temperature 0.3 --seed 7',
    'baichuan generate --prompt-ids 5,77,9 -n 8 --json',
  ],
  options: [
    MODEL_OPTION,
    ...PROMPT_OPTIONS,
    { name: 'chat', help: "the prompt is a user's message to a chat model" },
    { name: 'max-new-tokens', short: 'n', value: 'N', help: 'tokens to generate at most' },
    { name: 'temperature', value: 'X', help: 'divide the scores; 0 is greedy' },
    { name: 'top-k', value: 'N', help: 'only the N likeliest tokens, 0 for all' },
    { name: 'top-p', value: 'X', help: 'only the likeliest tokens that make up probability X' },
    { name: 'min-p', value: 'X', help: 'only tokens at least X times as likely as the likeliest' },
    {
      name: 'repetition-penalty',
      value: 'X',
      help: 'above 1, tokens that occurred get less likely',
    },
    { name: 'seed', value: 'N', help: 'of the random numbers; the same tokens on every runtime' },
    {
      name: 'stop',
      value: 'TEXT',
      repeated: true,
      help: 'end before this text; several may follow',
    },
    { name: 'greedy', help: 'the likeliest token every time, whatever the model says' },
    {
      name: 'logprobs',
      value: 'N',
      help: 'log-probabilities, with those of the N likeliest tokens',
    },
    ...COMPUTE_OPTIONS,
    JSON_OPTION,
  ],
  run: runGenerate,
};

async function runGenerate(args: Arguments, self: CommandProcess): Promise<number> {
  if (!args.has('stop')) expectNoWords(args, 'Give the prompt with --prompt TEXT.');
  const prompt = await promptOf(args, self);
  const options = generationOptions(args, self);
  checkOptions(options);
  const start = performance.now();
  await using model = await loadModel(args, self, { needsTokenizer: prompt.ids === null });
  const prepared = await preparePrompt(model, asPrompt(prompt, args, self), options);
  const clock = startClock(performance.now() - start);
  const events = clock.watch(runPrompt(model, prepared, options));
  if (args.has('json')) {
    const result = await collectText(events);
    await self.print(`${JSON.stringify(jsonResult(prepared, result, clock))}\n`);
  } else {
    await printEvents(events, prepared, self);
    if (self.isErrorTerminal) self.printError(`${clock.summary(prepared.ids.length)}\n`);
  }
  return 0;
}

/** Text as it comes; ids where there is no text; log-probabilities on stderr. */
async function printEvents(
  events: AsyncIterable<TextEvent>,
  { tokenizer }: PreparedPrompt,
  self: CommandProcess,
): Promise<void> {
  let separator = '';
  let started = false;
  try {
    for await (const { text, tokenIds, logprobs } of events) {
      started = true;
      if (text !== null) await self.print(text);
      for (const id of text === null ? tokenIds : []) {
        await self.print(`${separator}${id}`);
        separator = ',';
      }
      for (const token of logprobs ?? []) self.printError(`${describeToken(token, tokenizer)}\n`);
    }
  } finally {
    if (started) await self.print('\n');
  }
}

function describeToken(token: GeneratedToken, tokenizer: Tokenizer | null): string {
  const show = (id: number) => (tokenizer === null ? `${id}` : `${id} ${pieceOf(tokenizer, id)}`);
  const top = token.topLogprobs ?? [];
  const others = top.map(({ tokenId, logprob }) => `${show(tokenId)} ${logprob.toFixed(4)}`);
  return [`${show(token.tokenId)} ${token.logprob?.toFixed(4)}`, ...others].join(' | ');
}

/** Rows beyond the tokenizer's pieces have no spelling. */
function pieceOf(tokenizer: Tokenizer, id: number): string {
  return id < tokenizer.vocabSize ? quote(tokenizer.idToPiece(id)) : '';
}

function jsonResult(prepared: PreparedPrompt, result: GeneratedText, clock: Clock) {
  const { text, outputIds, finishReason, stopString, logprobs } = result;
  return {
    text,
    prompt_ids: prepared.ids,
    output_ids: outputIds,
    finish_reason: finishReason,
    ...(stopString === null ? {} : { stop_string: stopString }),
    ...(logprobs === null ? {} : { logprobs: logprobs.map(jsonLogprobs) }),
    timing: clock.timing(),
  };
}

function jsonLogprobs({ tokenId, logprob, topLogprobs }: GeneratedToken) {
  const top = (topLogprobs ?? []).map((entry) => ({ id: entry.tokenId, logprob: entry.logprob }));
  return { id: tokenId, logprob, top };
}

function asPrompt(
  { text, ids }: { text: string; ids: null } | { text: null; ids: number[] },
  args: Arguments,
  self: CommandProcess,
): Prompt {
  if (ids !== null && args.has('chat')) {
    throw new BaichuanError('option-value', {
      where: '--chat and --prompt-ids',
      what: 'A chat is built from text, not from ids.',
      fix: 'Give the message with --prompt TEXT, or leave --chat out.',
    });
  }
  if (ids !== null) return { ids };
  if (args.has('chat')) return { messages: [{ role: 'user', content: text }] };
  if (args.has('prompt') && text.includes('\\n')) {
    noticePrinter(self)(
      "The prompt has a backslash and an n; $'…' makes a line end of them in bash.",
    );
  }
  return text;
}

/** Ranges are checked before a model is loaded; what depends on the model, after. */
function checkOptions({ signal: _signal, onNotice: _onNotice, ...options }: GenerateOptions): void {
  resolveOptions(options, null, { vocabSize: Number.POSITIVE_INFINITY });
}

/** Options of the call by their names in the library; ranges are checked there. */
function generationOptions(args: Arguments, self: CommandProcess): GenerateOptions {
  return {
    maxNewTokens: args.number('max-new-tokens'),
    temperature: args.number('temperature'),
    topK: args.number('top-k'),
    topP: args.number('top-p'),
    minP: args.number('min-p'),
    repetitionPenalty: args.number('repetition-penalty'),
    seed: args.number('seed'),
    stopStrings: args.has('stop') ? [...args.texts('stop'), ...args.words] : undefined,
    greedy: args.has('greedy') ? true : undefined,
    logprobs: args.number('logprobs'),
    signal: self.signal,
    onNotice: noticePrinter(self),
  };
}

/** When the first token came and when the last did. */
interface Clock {
  watch(events: AsyncIterable<TextEvent>): AsyncIterable<TextEvent>;
  timing(): Record<string, number>;
  summary(promptTokens: number): string;
}

function startClock(loadMs: number): Clock {
  const start = performance.now();
  let [firstMs, totalMs, tokens] = [0, 0, 0];
  const round = (value: number) => Math.round(value * 100) / 100;
  const decodeRate = () => (tokens > 1 ? ((tokens - 1) * 1000) / (totalMs - firstMs) : 0);
  return {
    async *watch(events) {
      for await (const event of events) {
        totalMs = performance.now() - start;
        if (tokens === 0) firstMs = totalMs;
        tokens += event.tokenIds.length;
        yield event;
      }
    },
    timing: () => ({
      load_ms: round(loadMs),
      first_token_ms: round(firstMs),
      total_ms: round(totalMs),
      tokens_per_second: round(decodeRate()),
    }),
    summary: (promptTokens) => {
      const prompt = `${promptTokens} prompt tokens in ${(firstMs / 1000).toFixed(2)} s`;
      return `${prompt}, ${tokens} new at ${decodeRate().toFixed(0)} tokens/s`;
    },
  };
}
