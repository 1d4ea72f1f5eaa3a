/** A server of a language model for specs, in the dialects of llama.cpp's server and of vLLM, over
 *  real HTTP. Shapes of the answers: llama.cpp, tools/server/server-task.cpp and README.md; vLLM,
 *  vllm/entrypoints/openai/completion/serving.py. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Dialect = 'llama.cpp' | 'vllm';

export interface MockModel {
  readonly vocabSize: number;
  /** Log-probabilities `[V]` of the token after a prompt. */
  next(ids: readonly number[]): Promise<ArrayLike<number>>;
  readonly encode?: ((text: string) => readonly number[]) | undefined;
  /** The prompt of a chat, as text (llama.cpp) or ids (vLLM). */
  readonly template?:
    | ((messages: readonly { role: string; content: string }[]) => string)
    | undefined;
}

/** What a request looks like to a handler. */
export interface MockRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: ReturnType<typeof JSON.parse>;
}

/** Answers itself and returns true, or leaves the request to the dialect. */
export type Interception = (request: MockRequest, response: ServerResponse) => boolean;

export interface MockServer {
  readonly url: string;
  readonly requests: readonly MockRequest[];
  close(): Promise<void>;
}

/** Starts a server on a free port of this machine. */
export async function mockServer(
  dialect: Dialect,
  model: MockModel,
  intercept: Interception = () => false,
): Promise<MockServer> {
  const requests: MockRequest[] = [];
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk) => chunks.push(chunk));
    message.on('end', async () => {
      const text = Buffer.concat(chunks).toString();
      const body = text === '' ? undefined : JSON.parse(text);
      const request = { path: message.url ?? '', headers: message.headers, body };
      requests.push(request);
      if (intercept(request, response)) return;
      const [status, answer] = await answerOf(dialect, model, request);
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const NAME = 'baichuan';

async function answerOf(
  dialect: Dialect,
  model: MockModel,
  { path, body }: MockRequest,
): Promise<[status: number, answer: unknown]> {
  const isLlama = dialect === 'llama.cpp';
  const owner = isLlama ? 'llamacpp' : 'vllm';
  if (path === '/v1/models') {
    return [200, { object: 'list', data: [{ id: NAME, object: 'model', owned_by: owner }] }];
  }
  if (path === '/v1/completions') {
    return isLlama ? llamaCompletion(model, body) : vllmCompletion(model, body);
  }
  if (path === '/tokenize' && model.encode !== undefined) {
    const text = isLlama ? body.content : (body.prompt ?? model.template?.(body.messages));
    if (text === undefined) return [400, { error: { message: 'no chat template', code: 400 } }];
    const tokens = model.encode(text);
    return [200, isLlama ? { tokens } : { count: tokens.length, max_model_len: 4096, tokens }];
  }
  if (path === '/apply-template' && isLlama && model.template !== undefined) {
    return [200, { prompt: model.template(body.messages) }];
  }
  return [404, { error: { message: 'Not Found', type: 'not_found_error', code: 404 } }];
}

async function ranked({ next }: MockModel, ids: readonly number[], count: number) {
  const logprobs = await next(ids);
  return Array.from(logprobs, (logprob, id) => ({ id, logprob: Math.fround(logprob) }))
    .sort((a, b) => b.logprob - a.logprob)
    .slice(0, count);
}

const usageOf = (ids: readonly number[]) => ({
  prompt_tokens: ids.length,
  completion_tokens: 1,
  total_tokens: ids.length + 1,
});

async function llamaCompletion(
  model: MockModel,
  body: MockRequest['body'],
): Promise<[number, unknown]> {
  if (body.echo === true) {
    const message = 'Only no echo is supported';
    return [400, { error: { code: 400, message, type: 'invalid_request_error' } }];
  }
  // llama.cpp writes the lowest float32 where the logarithm is −∞.
  const lowest = -3.4028234663852886e38;
  const top = (await ranked(model, body.prompt, body.logprobs)).map(({ id, logprob }) => ({
    ...{ id, token: `t${id}`, bytes: [116], logprob: Math.max(lowest, logprob) },
  }));
  const content = [{ ...top[0], top_logprobs: top }];
  const choice = { text: 't', index: 0, logprobs: { content }, finish_reason: 'length' };
  const head = { id: 'chatcmpl-x', object: 'text_completion', model: NAME, created: 1 };
  return [200, { ...head, choices: [choice], usage: usageOf(body.prompt) }];
}

async function vllmCompletion(
  model: MockModel,
  body: MockRequest['body'],
): Promise<[number, unknown]> {
  if (body.model !== NAME) {
    const message = `The model \`${body.model}\` does not exist.`;
    return [404, { error: { message, type: 'NotFoundError', param: null, code: 404 } }];
  }
  if (body.logprobs > 20) return [400, { error: { message: 'max logprobs is 20', code: 400 } }];
  const top = await ranked(model, body.prompt, body.logprobs + 1);
  const spell = (id: number) =>
    body.return_tokens_as_token_ids === true ? `token_id:${id}` : `t${id % 7}`;
  const entries = top.map(({ id, logprob }) => [spell(id), Math.max(-9999, logprob)]);
  const logprobs = {
    ...{ text_offset: [0], tokens: [entries[0][0]], token_logprobs: [entries[0][1]] },
    top_logprobs: [Object.fromEntries(entries)],
  };
  const ids = { prompt_token_ids: body.prompt, token_ids: [top[0].id] };
  const shown = body.return_token_ids === true ? ids : {};
  const choice = { index: 0, text: 't', logprobs, finish_reason: 'length', ...shown };
  const head = { id: 'cmpl-x', object: 'text_completion', model: NAME, created: 1 };
  return [200, { ...head, choices: [choice], usage: usageOf(body.prompt) }];
}
