/** Options of a generation: what a caller may ask for, and what results together with the model's
 *  `generation_config.json`. Meaning and defaults are Hugging Face's (`GenerationConfig`), names
 *  are theirs in camelCase (`HUGGING_FACE_NAMES`).
 *
 *  Sampling or greedy, the first that applies:
 *    1. `greedy: true` is greedy, whatever the file says.
 *    2. `doSample` of the call.
 *    3. Any of `temperature`, `topK`, `topP`, `minP` on the call asks for sampling.
 *    4. `do_sample` of the file, else greedy.
 *  And temperature 0, from either, is greedy. */
import { BaichuanError, quote } from '../errors.ts';
import type { GenerationConfig } from './generation-config.ts';
import {
  HUGGING_FACE_NAMES,
  INTEGER_RANGES,
  LEAST_TEMPERATURE,
  MAX_EOS_TOKEN_IDS,
  NUMBER_RANGES,
  type NumberRange,
  stopStringsFault,
} from './option-ranges.ts';

/** Options of a call. One that is missing or undefined is taken from the file, then the default. */
export interface GenerationOptions {
  /** Tokens to generate at most, 1 … 1048576. Default 64. */
  maxNewTokens?: number | undefined;
  /** Greedy decoding: the likeliest token every time. */
  greedy?: boolean | undefined;
  /** Sampling (true) or greedy decoding (false). Default false. */
  doSample?: boolean | undefined;
  /** Scores are divided by it: 10^-6 … 10^6, or 0 for greedy decoding. Default 1. */
  temperature?: number | undefined;
  /** Only the k likeliest tokens, 0 for all. Default 50. */
  topK?: number | undefined;
  /** Only the likeliest tokens that make up this probability, 0 … 1. Default 1: all. */
  topP?: number | undefined;
  /** Only tokens at least this times as likely as the likeliest, 0 … 1. Default 0: all. */
  minP?: number | undefined;
  /** Tokens that occurred get less likely above 1, 10^-6 … 10^6. Default 1. */
  repetitionPenalty?: number | undefined;
  /** Tokens that end the text; null or an empty list for none. Default: the model's. */
  eosTokenId?: number | readonly number[] | null | undefined;
  /** Texts that end the text and are left out of it. */
  stopStrings?: string | readonly string[] | undefined;
  /** Start of the random numbers, 0 … 2⁵³ - 1. Default 0. */
  seed?: number | undefined;
  /** Log-probabilities of the tokens and of this many likeliest ones, 0 … 20. Default: none. */
  logprobs?: number | undefined;
  /** Refuse when prompt and new tokens together are more. Default: no limit. */
  contextLength?: number | undefined;
}

/** Options with every choice made. */
export interface ResolvedOptions {
  readonly maxNewTokens: number;
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly eosTokenIds: readonly number[];
  readonly stopStrings: readonly string[];
  readonly seed: number;
  /** null: no log-probabilities. */
  readonly logprobs: number | null;
  /** null: no limit. */
  readonly contextLength: number | null;
}

/** What the options need to know of the model. */
export interface ModelFacts {
  /** V: ids run from 0 to V - 1. */
  readonly vocabSize: number;
  /** Ends a text when neither call nor file says what does. */
  readonly eosTokenId?: number | undefined;
}

const OPTION_NAMES: ReadonlySet<string> = new Set([
  ...Object.keys(HUGGING_FACE_NAMES),
  ...Object.keys(INTEGER_RANGES),
  'greedy',
]);

/** Joins the options of a call, the model's file and the defaults, and checks them.
 *  @param user options of the call
 *  @param file the model's `generation_config.json`, or null when there is none
 *  @param model the model's vocabulary size and end token
 *  @throws generation-option */
export function resolveOptions(
  user: GenerationOptions,
  file: GenerationConfig | null,
  model: ModelFacts,
): ResolvedOptions {
  checkOptions(user, model.vocabSize);
  const defaults = file?.options ?? {};
  const temperature = user.temperature ?? defaults.temperature ?? 1;
  return {
    maxNewTokens: user.maxNewTokens ?? defaults.maxNewTokens ?? 64,
    doSample: asksForSampling(user, defaults.doSample ?? false) && temperature !== 0,
    temperature,
    topK: user.topK ?? defaults.topK ?? 50,
    topP: user.topP ?? defaults.topP ?? 1,
    minP: user.minP ?? defaults.minP ?? 0,
    repetitionPenalty: user.repetitionPenalty ?? defaults.repetitionPenalty ?? 1,
    eosTokenIds: eosTokenIdsOf(user, defaults.eosTokenIds, model.eosTokenId),
    stopStrings: listOf(user.stopStrings) ?? defaults.stopStrings ?? [],
    seed: user.seed ?? 0,
    logprobs: user.logprobs ?? null,
    contextLength: user.contextLength ?? null,
  };
}

function asksForSampling(user: GenerationOptions, fileSamples: boolean): boolean {
  if (user.greedy === true) return false;
  if (user.doSample !== undefined) return user.doSample;
  const given = [user.temperature, user.topK, user.topP, user.minP];
  return given.some((value) => value !== undefined) || fileSamples;
}

function eosTokenIdsOf(
  user: GenerationOptions,
  file: readonly number[] | undefined,
  model: number | undefined,
): readonly number[] {
  if (user.eosTokenId === null) return [];
  return listOf(user.eosTokenId) ?? file ?? listOf(model) ?? [];
}

function listOf<T extends string | number>(
  value: T | readonly T[] | undefined,
): readonly T[] | undefined {
  return typeof value === 'string' || typeof value === 'number' ? [value] : value;
}

function checkOptions(user: GenerationOptions, vocabSize: number): void {
  for (const name of Object.keys(user)) if (!OPTION_NAMES.has(name)) throw unknownOption(name);
  const values = new Map<string, unknown>(Object.entries(user));
  for (const name of ['greedy', 'doSample']) expectBoolean(name, values.get(name));
  for (const [name, range] of Object.entries(INTEGER_RANGES)) {
    expectNumber(name, values.get(name), range, Number.isSafeInteger, 'an integer');
  }
  for (const [name, range] of Object.entries(NUMBER_RANGES)) {
    expectNumber(name, values.get(name), range, Number.isFinite, 'a number');
  }
  expectTemperature(user.temperature);
  expectEosTokenIds(user.eosTokenId, vocabSize);
  expectStopStrings(user.stopStrings);
  if (user.greedy === true && user.doSample === true) {
    throw optionError('greedy', 'greedy and doSample exclude each other.', 'Give one of the two.');
  }
}

function expectBoolean(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw wrongValue(name, 'true or false', value);
}

function expectNumber(
  name: string,
  value: unknown,
  { min, max }: NumberRange,
  isOfKind: (value: unknown) => boolean,
  kind: string,
): void {
  if (value === undefined) return;
  const number = isOfKind(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw wrongValue(name, `${kind} from ${min} to ${max}`, value);
  }
}

function expectTemperature(value: number | undefined): void {
  if (value === undefined || value === 0 || value >= LEAST_TEMPERATURE) return;
  const expected = `0 (greedy), or from ${LEAST_TEMPERATURE} to ${NUMBER_RANGES.temperature.max}`;
  throw wrongValue('temperature', expected, value);
}

function expectEosTokenIds(value: GenerationOptions['eosTokenId'], vocabSize: number): void {
  if (value === undefined || value === null) return;
  const ids = listOf(value);
  const expected = `at most ${MAX_EOS_TOKEN_IDS} token ids from 0 to ${vocabSize - 1}`;
  if (!Array.isArray(ids) || ids.length > MAX_EOS_TOKEN_IDS) {
    throw wrongValue('eosTokenId', expected, value);
  }
  for (const id of ids) {
    const valid = Number.isSafeInteger(id) && id >= 0 && id < vocabSize;
    if (!valid) throw wrongValue('eosTokenId', expected, id);
  }
}

function expectStopStrings(value: GenerationOptions['stopStrings']): void {
  if (value === undefined) return;
  const strings = listOf(value);
  if (!Array.isArray(strings)) throw wrongValue('stopStrings', 'a string or a list of them', value);
  const fault = stopStringsFault(strings);
  if (fault !== null) throw optionError('stopStrings', fault, 'Give other stop strings.');
}

function wrongValue(name: string, expected: string, value: unknown): BaichuanError {
  const found = typeof value === 'string' ? quote(value) : quote(String(value)).slice(1, -1);
  const what = `${expected} is needed here, but ${found} was given.`;
  return optionError(name, what, 'Give a value in this range.', { expected, found });
}

function unknownOption(name: string): BaichuanError {
  const pair = Object.entries(HUGGING_FACE_NAMES).find(([, theirs]) => theirs === name);
  const known = [...OPTION_NAMES].join(', ');
  const fix = pair === undefined ? `Give one of ${known}.` : `Write ${pair[0]}.`;
  return optionError(quote(name).slice(1, -1), 'there is no option of this name.', fix);
}

function optionError(
  where: string,
  what: string,
  fix: string,
  values: { expected?: string; found?: string } = {},
): BaichuanError {
  return new BaichuanError('generation-option', { where, what, fix, ...values });
}
