/** A backend behind HTTP that speaks as OpenAI's completions do, in the dialects of llama.cpp's
 *  server and of vLLM.
 *
 *  Scores are asked position by position, teacher forcing: `POST /v1/completions` with the ids of
 *  the prompt up to the position, `max_tokens: 1`, `temperature: 0` and `logprobs: K`; the
 *  log-probabilities of the K likeliest tokens come back (`completion-answer.ts`). Both servers
 *  compute them from the raw scores, whatever the sampler's settings. `echo` is not used: llama.cpp
 *  refuses it. Caches of prompts are switched off where the request can say so.
 *
 *  Texts go to `POST /tokenize` and chats to it (vLLM) or to `POST /apply-template` before it
 *  (llama.cpp), where the server has these.
 *  Sources: llama.cpp, tools/server/README.md; vLLM, vllm/entrypoints/openai/completion/. */

import { BaichuanError, type ErrorCode, quote } from '../../errors.ts';
import { type JsonObject, type JsonValue, parseJson } from '../../json.ts';
import type { Distribution } from '../../verify/distribution.ts';
import type { ConformBackend, PrefillRequest, RequestedMessage } from './claim.ts';
import { expectPromptTaken, logprobsOf } from './completion-answer.ts';

/** One request and its answer; the platform gives one. */
export type AskServer = (request: {
  readonly url: string;
  readonly body?: unknown;
  readonly apiKey?: string | undefined;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
}) => Promise<{ readonly status: number; readonly bytes: Uint8Array }>;

export interface ServerOptions {
  /** Such as `http://127.0.0.1:8080`; a `/v1` at its end is left out. */
  readonly url: string;
  readonly ask: AskServer;
  readonly vocabSize: number;
  /** By default the first that `/v1/models` lists. */
  readonly model?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Likeliest tokens asked for: what vLLM gives unless told otherwise (`--max-logprobs`). */
const TOP_TOKENS = 20;

/** An answer of 20 tokens has some 4 kB, a list of models of some servers 100. */
const MAX_BYTES = 4 * 2 ** 20;

/** What a server without a path answers, and one whose model has no chat template. */
const NOT_THERE = [404, 405, 501];
const NO_TEMPLATE = [...NOT_THERE, 400];

interface Server extends ServerOptions {
  readonly root: string;
  readonly model: string;
}

/** Finds the model of a server.
 *  @throws server-…, aborted */
export async function openServer(options: ServerOptions): Promise<ConformBackend> {
  const root = rootOf(options.url);
  const named = options.model ?? (await firstModel({ ...options, root, model: '' }));
  const server: Server = { ...options, root, model: named };
  return {
    name: `${server.model} at ${root}`,
    encode: ({ text }) => encodeText(server, text),
    chat: ({ messages }) => encodeChat(server, messages),
    trace: async () => undefined,
    next: (request) => nextTokens(server, request),
    why: (claim) =>
      claim === 'layers'
        ? 'a server shows no activations; record traces and use --traces'
        : `the server has no ${claim === 'chat' ? 'chat template or ' : ''}/tokenize`,
    close: async () => {},
  };
}

/** @throws server-url */
function rootOf(text: string): string {
  if (URL.canParse(text)) {
    const url = new URL(text);
    const isPlain = url.username === '' && url.search === '' && url.hash === '';
    if (isPlain && /^https?:$/.test(url.protocol)) {
      return url.href.replace(/\/+$/, '').replace(/\/v1$/, '');
    }
  }
  throw new BaichuanError('server-url', {
    where: '--server',
    what: `${quote(text)} is not the address of a server.`,
    fix: 'Give one such as http://127.0.0.1:8080.',
  });
}

async function firstModel(server: Server): Promise<string> {
  const data = (await request(server, '/v1/models')).get('data');
  const first = Array.isArray(data) ? data[0] : undefined;
  const id = first instanceof Map ? first.get('id') : undefined;
  if (typeof id === 'string' && id !== '') return id;
  throw badAnswer(server, '/v1/models', 'It lists no model.', 'Name it with --server-model.');
}

/** What a path answers. @throws server-… for anything but a JSON answer of status 200 */
async function request(
  server: Server,
  path: string,
  body?: Record<string, unknown>,
): Promise<JsonObject> {
  const answer = await requestIfThere(server, path, body, []);
  if (answer instanceof Map) return answer;
  const what = 'The answer is no object.';
  throw badAnswer(server, path, what, 'Check that this is the server of a language model.');
}

/** The same; undefined where the server answers that it has no such path.
 *  @param missing statuses that say so */
async function requestIfThere(
  server: Server,
  path: string,
  body: Record<string, unknown> | undefined,
  missing: readonly number[],
): Promise<JsonValue | undefined> {
  const { ask, root, apiKey, timeoutMs, signal } = server;
  const url = `${root}${path}`;
  const given = body === undefined ? {} : { body: { model: server.model, ...body } };
  const asked = { url, apiKey, timeoutMs, signal, maxBytes: MAX_BYTES, ...given };
  const { status, bytes } = await ask(asked);
  if (missing.includes(status)) return undefined;
  if (status !== 200) throw refused(server, path, status, bytes);
  try {
    return parseJson(bytes, { file: url, maxBytes: MAX_BYTES });
  } catch (cause) {
    const what = 'The answer is not JSON.';
    const fix = 'Check that this is the server of a language model, and look into its log.';
    throw badAnswer(server, path, what, fix, cause);
  }
}

function refused(server: Server, path: string, status: number, bytes: Uint8Array): BaichuanError {
  const text = new TextDecoder().decode(bytes.subarray(0, 200)).trim();
  const said = text === '' ? '' : `: ${quote(text)}`;
  const isKey = status === 401 || status === 403;
  return new BaichuanError('server-status', {
    where: quote(`${server.root}${path}`),
    what: `The server answered ${status}${said}.`,
    fix: isKey
      ? 'Give its key with --api-key-env NAME.'
      : "Look into the server's log; its context may be shorter than --max-length.",
    found: status,
  });
}

function badAnswer(
  server: Server,
  path: string,
  what: string,
  fix: string,
  cause?: unknown,
): BaichuanError {
  const code: ErrorCode = 'server-answer';
  return new BaichuanError(code, { where: quote(`${server.root}${path}`), what, fix, cause });
}

async function encodeText(
  server: Server,
  text: string,
  isTemplate = false,
): Promise<number[] | undefined> {
  // llama.cpp reads `content` and `add_special`, vLLM `prompt` and `add_special_tokens`. Control
  // pieces that a text spells stay text, as in SentencePiece.
  const special = { add_special: false, add_special_tokens: false, parse_special: isTemplate };
  const body = { content: text, prompt: text, ...special };
  return tokensOf(server, await requestIfThere(server, '/tokenize', body, NOT_THERE));
}

async function encodeChat(
  server: Server,
  messages: readonly RequestedMessage[],
): Promise<number[] | undefined> {
  const path = '/apply-template';
  const rendered = await requestIfThere(server, path, { messages }, NO_TEMPLATE);
  if (rendered === undefined) {
    const body = { messages, add_generation_prompt: true, add_special_tokens: false };
    return tokensOf(server, await requestIfThere(server, '/tokenize', body, NO_TEMPLATE));
  }
  const prompt = rendered instanceof Map ? rendered.get('prompt') : undefined;
  if (typeof prompt === 'string') return encodeText(server, prompt, true);
  throw badAnswer(server, path, 'It has no `prompt`.', "Look into the server's log.");
}

function tokensOf(server: Server, answer: JsonValue | undefined): number[] | undefined {
  if (answer === undefined) return undefined;
  const tokens = answer instanceof Map ? answer.get('tokens') : undefined;
  const isId = (id: JsonValue) => typeof id === 'number' && Number.isInteger(id) && id >= 0;
  if (Array.isArray(tokens) && tokens.every(isId)) return tokens.map(Number);
  const what = 'Its `tokens` are no list of ids.';
  throw badAnswer(server, '/tokenize', what, "Look into the server's log.");
}

async function nextTokens(
  server: Server,
  { ids, positions }: PrefillRequest,
): Promise<Distribution[]> {
  const rows: Distribution[] = [];
  const path = '/v1/completions';
  for (const position of positions) {
    const prompt = ids.slice(0, position + 1);
    const answer = await request(server, path, {
      ...{ prompt, max_tokens: 1, temperature: 0, logprobs: TOP_TOKENS, seed: 0, stream: false },
      // vLLM: ids instead of spellings. llama.cpp: no reuse of an earlier prompt's cache.
      ...{ return_tokens_as_token_ids: true, return_token_ids: true, cache_prompt: false },
      // A model that ends here still has to say how likely every token was.
      ...{ ignore_eos: true, add_special_tokens: false },
    });
    const place = quote(`${server.root}${path}`);
    expectPromptTaken(answer, prompt, place);
    rows.push({ kind: 'logprobs', values: logprobsOf(answer, server.vocabSize, place) });
  }
  return rows;
}
