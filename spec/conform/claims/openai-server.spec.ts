/** Asking a server, in both dialects, and servers that misbehave in every way. */

import type { ServerResponse } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConformBackend, PrefillRequest } from '../../../src/conform/claims/claim.ts';
import { openServer } from '../../../src/conform/claims/openai-server.ts';
import { askServer } from '../../../src/platform/ask-server.ts';
import { logProbabilities } from '../../../src/verify/distribution.ts';
import { type Interception, type MockModel, mockServer } from '../../support/mock-server.ts';
import { expectRefusal } from '../../support/refusal.ts';

const spec = suite('conform server');

const VOCAB_SIZE = 53;
const DIALECTS = ['llama.cpp', 'vllm'] as const;

/** Scores that depend on every id of the prompt and on their order. */
function scoresOf(ids: readonly number[]): Float64Array {
  const seed = ids.reduce((hash, id) => (hash * 31 + id + 1) % 1009, 7);
  const scores = Float64Array.from({ length: VOCAB_SIZE }, (_, i) => ((seed * (i + 3)) % 97) / 9);
  return logProbabilities(scores);
}

const model: MockModel = {
  vocabSize: VOCAB_SIZE,
  next: async (ids) => scoresOf(ids),
  encode: (text) => Array.from(text, (character) => (character.codePointAt(0) ?? 0) % VOCAB_SIZE),
  template: (messages) => messages.map(({ role, content }) => `${role[0]}:${content}`).join(''),
};

const prefill: PrefillRequest = {
  ...{ id: 'x', claim: 'logits', ids: [5, 9, 2, 14], positions: [0, 3], taps: ['logits'] },
};

async function withServer<T>(
  dialect: (typeof DIALECTS)[number],
  use: (backend: ConformBackend, server: Awaited<ReturnType<typeof mockServer>>) => Promise<T>,
  options: { intercept?: Interception; given?: Partial<MockModel>; timeoutMs?: number } = {},
): Promise<T> {
  const server = await mockServer(dialect, { ...model, ...options.given }, options.intercept);
  try {
    const { timeoutMs = 60_000 } = options;
    const ask = { ask: askServer, vocabSize: VOCAB_SIZE, timeoutMs };
    return await use(await openServer({ url: server.url, ...ask }), server);
  } finally {
    await server.close();
  }
}

for (const dialect of DIALECTS) {
  spec(`law: ${dialect}: the likeliest tokens after every position come back`, () =>
    withServer(dialect, async (backend, { requests }) => {
      const rows = await backend.next(prefill);
      assert.is(rows?.length, 2);
      rows?.forEach(({ kind, values }, i) => {
        const expected = scoresOf(prefill.ids.slice(0, prefill.positions[i] + 1));
        assert.is(kind, 'logprobs');
        assert.ok(values instanceof Map && values.size >= 20);
        for (const [id, value] of values.entries()) {
          assert.ok(Math.abs(value - expected[id]) < 1e-6);
        }
      });
      const asked = requests.filter(({ path }) => path === '/v1/completions');
      assert.equal(
        asked.map(({ body }) => body.prompt),
        [[5], [5, 9, 2, 14]],
      );
      assert.ok(asked.every(({ body }) => body.model === 'baichuan' && body.temperature === 0));
      assert.match(backend.name, /^baichuan at http:/);
    }),
  );

  spec(`law: ${dialect}: texts and chats are encoded by the server`, () =>
    withServer(dialect, async (backend) => {
      assert.equal(await backend.encode({ id: 'a', text: 'ab' }), [97 % 53, 98 % 53]);
      const messages = [{ role: 'user', content: 'b' }] as const;
      const expected = model.encode?.('u:b');
      assert.equal(await backend.chat({ id: 'a', messages }), expected);
    }),
  );

  spec(`law: ${dialect}: what the server does not offer is no answer`, () =>
    withServer(
      dialect,
      async (backend) => {
        assert.is(await backend.encode({ id: 'a', text: 'ab' }), undefined);
        assert.is(await backend.chat({ id: 'a', messages: [] }), undefined);
        assert.is(await backend.trace(prefill), undefined);
        assert.match(backend.why('layers'), /--traces/);
        assert.match(backend.why('chat'), /template/);
      },
      { given: { encode: undefined, template: undefined } },
    ),
  );
}

spec('law: a key is sent as a bearer token, and a model by its name', async () => {
  const server = await mockServer('vllm', model);
  const options = { url: `${server.url}/v1/`, ask: askServer, vocabSize: VOCAB_SIZE };
  const named = { ...options, model: 'baichuan', apiKey: 'secret', timeoutMs: 60_000 };
  const backend = await openServer(named);
  await backend.next(prefill);
  await server.close();
  assert.ok(server.requests.length === 2);
  for (const { headers, path } of server.requests) {
    assert.equal([path, headers.authorization], ['/v1/completions', 'Bearer secret']);
  }
});

/** Answers completions with a text. */
const answering =
  (text: string, status = 200): Interception =>
  ({ path }, response) => {
    if (path !== '/v1/completions') return false;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(text);
    return true;
  };

/** A completion in llama.cpp's shape with these entries. */
const listing = (entries: unknown, rest: object = {}) =>
  answering(JSON.stringify({ choices: [{ logprobs: { content: [entries] } }], ...rest }));
const tops = (...list: unknown[]) => ({ top_logprobs: list });
const raw = (logprob: string) =>
  answering(
    `{"choices":[{"logprobs":{"content":[{"top_logprobs":[{"id":1,"logprob":${logprob}}]}]}}]}`,
  );

const HOSTILE: readonly (readonly [title: string, Interception, code: string, message: RegExp])[] =
  [
    ['answers 500', answering('boom', 500), 'server-status', /answered 500: "boom"/],
    ['wants a key', answering('', 401), 'server-status', /--api-key-env/],
    ['answers no JSON', answering('<html>'), 'server-answer', /not JSON/],
    ['answers half of it', answering('{"choices": ['), 'server-answer', /not JSON/],
    ['answers a list', answering('[]'), 'server-answer', /no object/],
    ['answers NaN', raw('NaN'), 'server-answer', /not JSON/],
    ['answers a text for a number', raw('"NaN"'), 'server-answer', /"NaN" was found/],
    ['answers null', raw('null'), 'server-answer', /null/],
    ['answers a positive logarithm', raw('0.5'), 'server-answer', /up to 0, and 0.5/],
    ['answers infinity', raw('1e999'), 'server-answer', /Infinity/],
    ['gives no log-probabilities', answering('{"choices": [{}]}'), 'server-unsupported', /no log/],
    ['gives an empty list', listing(tops()), 'server-unsupported', /no log/],
    ['gives an id outside', listing(tops({ id: 53, logprob: -1 })), 'server-answer', /0 to 52/],
    [
      'gives a negative id',
      listing(tops({ id: -1, logprob: -1 })),
      'server-answer',
      /-1 was found/,
    ],
    [
      'gives an id twice',
      listing(tops({ id: 3, logprob: -1 }, { id: 3, logprob: -2 })),
      'server-answer',
      /token 3 stands twice/,
    ],
    [
      'spells tokens',
      answering('{"choices": [{"logprobs": {"top_logprobs": [{" a": -1}]}}]}'),
      'server-unsupported',
      /return_tokens_as_token_ids/,
    ],
    [
      'adds a token to the prompt',
      listing(tops({ id: 3, logprob: -1 }), { usage: { prompt_tokens: 2 } }),
      'server-prompt',
      /1 ids were sent, and the server ran on 2/,
    ],
    [
      'runs on other ids',
      answering('{"choices": [{"prompt_token_ids": [6]}]}'),
      'server-prompt',
      /others/,
    ],
  ];

for (const [title, intercept, code, message] of HOSTILE) {
  spec(`error: a server that ${title}`, () =>
    withServer(
      'llama.cpp',
      (backend) =>
        expectRefusal(() => backend.next(prefill), {
          ...{ code: code as 'server-answer', message, where: '/v1/completions' },
        }).then(() => {}),
      { intercept },
    ),
  );
}

for (const [title, intercept, code] of [
  ['never answers', () => true, 'server-timeout'],
  ['never ends its answer', stalling, 'server-timeout'],
  ['closes at once', (_: unknown, response: ServerResponse) => closing(response), 'server-closed'],
  ['closes midway', cutting, 'server-closed'],
  ['answers without end', flooding, 'server-size'],
  ['sends elsewhere', redirecting, 'server-redirect'],
] as const) {
  spec(`error: a server that ${title}`, async () => {
    const server = await mockServer('vllm', model, intercept);
    // Only who waits for nothing needs a short time; a busy machine takes long for the others.
    const timeoutMs = code === 'server-timeout' ? 300 : 60_000;
    const open = () =>
      openServer({ url: server.url, ask: askServer, vocabSize: VOCAB_SIZE, timeoutMs });
    await expectRefusal(open, { code, where: server.url, withinMs: 60_000 });
    await server.close();
  });
}

function stalling(_: unknown, response: ServerResponse): boolean {
  response.writeHead(200);
  response.write('{"data": [');
  return true;
}

function closing(response: ServerResponse): boolean {
  response.socket?.destroy();
  return true;
}

function cutting(_: unknown, response: ServerResponse): boolean {
  response.writeHead(200, { 'content-length': 1000 });
  response.write('{"data": [', () => closing(response));
  return true;
}

function flooding(_: unknown, response: ServerResponse): boolean {
  const block = Buffer.alloc(1 << 20, 0x20);
  const pump = () => {
    while (!response.destroyed && response.write(block));
  };
  response.writeHead(200);
  response.on('drain', pump);
  pump();
  return true;
}

function redirecting(_: unknown, response: ServerResponse): boolean {
  response.writeHead(302, { location: 'http://169.254.169.254/' });
  response.end();
  return true;
}

spec('error: nobody listens', async () => {
  const server = await mockServer('vllm', model);
  await server.close();
  const options = { ask: askServer, vocabSize: VOCAB_SIZE, timeoutMs: 60_000 };
  await expectRefusal(() => openServer({ url: server.url, ...options }), {
    ...{ code: 'server-unreachable', message: 'There is no connection' },
  });
});

spec('error: a run that was interrupted while a server thinks', async () => {
  const server = await mockServer('vllm', model, () => true);
  const open = () => {
    const signal = AbortSignal.timeout(50);
    const options = { ask: askServer, vocabSize: VOCAB_SIZE, timeoutMs: 60_000, signal };
    return openServer({ url: server.url, ...options });
  };
  await expectRefusal(open, { code: 'aborted' });
  await server.close();
});

for (const url of ['', 'localhost:8080', 'ftp://x', 'file:///etc/passwd', 'http://a:b@c', 'x']) {
  spec(`error: ${JSON.stringify(url)} is no server`, async () => {
    const options = { ask: askServer, vocabSize: VOCAB_SIZE, timeoutMs: 60_000 };
    await expectRefusal(() => openServer({ url, ...options }), {
      ...{ code: 'server-url', where: '--server' },
    });
  });
}

spec('error: a model that the server does not have', async () => {
  const server = await mockServer('vllm', model);
  const options = { ask: askServer, vocabSize: VOCAB_SIZE, timeoutMs: 60_000, model: 'other' };
  const backend = await openServer({ url: server.url, ...options });
  await expectRefusal(() => backend.next(prefill), {
    ...{ code: 'server-status', message: [/404/, 'does not exist'] },
  });
  await server.close();
});

spec.run();
