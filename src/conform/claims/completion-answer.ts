/** What `/v1/completions` says about the token after a prompt:
 *
 *      llama.cpp   choices[0].logprobs.content[0].top_logprobs: [{"id", "logprob", …}]
 *      vLLM        choices[0].logprobs.top_logprobs[0]: {"token_id:ID": logprob}
 *
 *  Whether the numbers are right is for the comparison to say. What no model can mean is refused
 *  here: log-probabilities that are no numbers or above 0, ids outside the vocabulary or twice. */

import { BaichuanError, quote } from '../../errors.ts';
import { isJsonNumber, type JsonObject, type JsonValue } from '../../json.ts';

/** Rounding may leave the likeliest token a little above certainty. */
const MOST = 1e-4;

/** The log-probabilities of the likeliest tokens.
 *  @param place the address, for messages @throws server-answer, server-unsupported */
export function logprobsOf(
  answer: JsonObject,
  vocabSize: number,
  place: string,
): ReadonlyMap<number, number> {
  const logprobs = member(first(member(answer, 'choices')), 'logprobs');
  const listed = member(first(member(logprobs, 'content')), 'top_logprobs');
  const entries = Array.isArray(listed)
    ? listed.map((entry) => [member(entry, 'id'), member(entry, 'logprob')] as const)
    : spelled(first(member(logprobs, 'top_logprobs')), place);
  const found = new Map<number, number>();
  for (const [id, logprob] of entries) {
    const [token, value] = [idOf(id, vocabSize, place), numberOf(logprob, place)];
    if (found.has(token)) throw lie(place, `token ${token} stands twice among the likeliest`);
    found.set(token, value);
  }
  if (found.size > 0) return found;
  throw new BaichuanError('server-unsupported', {
    where: place,
    what: 'The answer has no log-probabilities.',
    fix: 'Use a server that gives them: llama.cpp, or vLLM with --max-logprobs 20.',
  });
}

/** Refuses an answer to another prompt than the one that was sent: ids put in front of it, or cut.
 *  @throws server-prompt */
export function expectPromptTaken(
  answer: JsonObject,
  prompt: readonly number[],
  place: string,
): void {
  const told = member(first(member(answer, 'choices')), 'prompt_token_ids');
  const count = member(member(answer, 'usage'), 'prompt_tokens');
  const isOther = Array.isArray(told) && told.join() !== prompt.join();
  if (!isOther && (typeof count !== 'number' || count === prompt.length)) return;
  const found = Array.isArray(told) ? told.length : Number(count);
  throw new BaichuanError('server-prompt', {
    where: place,
    what: `${prompt.length} ids were sent, and the server ran on ${isOther ? 'others' : found}.`,
    fix: 'Start it so that it adds no BOS and cuts nothing, and with the right model.',
    expected: prompt.length,
    found,
  });
}

function member(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return value instanceof Map ? value.get(key) : undefined;
}

function first(value: JsonValue | undefined): JsonValue | undefined {
  return Array.isArray(value) ? value[0] : undefined;
}

/** Entries of an object with a key per token. A spelling is no id: two tokens may share it. */
function spelled(value: JsonValue | undefined, place: string): [JsonValue, JsonValue][] {
  if (!(value instanceof Map)) return [];
  return [...value].map(([key, logprob]) => {
    const id = /^token_id:(\d{1,9})$/.exec(key)?.[1];
    if (id !== undefined) return [Number(id), logprob];
    throw new BaichuanError('server-unsupported', {
      where: place,
      what: `The server spells tokens, such as ${quote(key)}, and gives no ids.`,
      fix: 'Use a server that knows return_tokens_as_token_ids, as vLLM does, or llama.cpp.',
    });
  });
}

function idOf(value: JsonValue | undefined, vocabSize: number, place: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < vocabSize) {
    return value;
  }
  const text = isNumeric(value) ? `${value}` : 'something else';
  throw lie(place, `a token id from 0 to ${vocabSize - 1} is needed, and ${text} was found`);
}

function isNumeric(value: JsonValue | undefined): boolean {
  return typeof value === 'number';
}

function numberOf(value: JsonValue | undefined, place: string): number {
  const number = value !== undefined && isJsonNumber(value) ? value.value : value;
  if (typeof number === 'number' && number <= MOST) return number;
  const found = typeof number === 'number' ? `${number}` : quote(String(number));
  throw lie(place, `a log-probability is a number up to 0, and ${found} was found`);
}

function lie(place: string, what: string): BaichuanError {
  return new BaichuanError('server-answer', {
    where: place,
    what: `In the answer, ${what}.`,
    fix: 'Look into the server: it computes or reports probabilities wrongly.',
  });
}
