import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load, openTokenizer } from '../../src/index.ts';
import { httpFolder, locateHttpModel } from '../../src/platform/http-folder.ts';
import { smallModel } from '../support/gguf-files.ts';
import { utf8 } from '../support/model-files.ts';
import { expectAborted, expectRefusal } from '../support/refusal.ts';
import { webServer } from '../support/web-server.ts';

const http = suite('http-folder');

const EMBEDDED = new URL('../../fixtures/embedded/', import.meta.url);

/** The embedded model's files. */
function embeddedFiles(prefix: string): Record<string, Uint8Array> {
  const names = readdirSync(EMBEDDED).filter((name) => /\.(json|safetensors|model)$/.test(name));
  return Object.fromEntries(
    names.map((name) => [prefix + name, new Uint8Array(readFileSync(new URL(name, EMBEDDED)))]),
  );
}

http('law: an address names a folder or a file of it', () => {
  for (const [address, name, weights] of [
    ['https://a.example/m', 'https://a.example/m', undefined],
    ['https://a.example/m/', 'https://a.example/m', undefined],
    ['https://a.example/m/x%20y.gguf?key=1', 'https://a.example/m', 'x y.gguf'],
    ['https://a.example/m/config.json', 'https://a.example/m', undefined],
    ['http://a.example/w.safetensors', 'http://a.example', 'w.safetensors'],
  ] as const) {
    const found = locateHttpModel(address);
    assert.equal([found.folder.name, found.weights], [name, weights], address);
  }
});

http('law: a folder has the usual files that are there, and the shards of its index', async () => {
  const server = webServer({
    '/m/config.json': utf8('{}'),
    '/m/tokenizer.model': utf8('t'),
    '/m/pytorch_model.bin.index.json': utf8(
      '{"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "x-2.bin", "c": "../d.bin"}}',
    ),
    '/m/pytorch_model-00001-of-00002.bin': utf8('w'),
    '/m/x-2.bin': utf8('w'),
  });
  const folder = httpFolder('https://a.example/m?key=1', { fetch: server.fetch });
  assert.equal((await folder.list()).sort(), [
    'config.json',
    'pytorch_model-00001-of-00002.bin',
    'pytorch_model.bin.index.json',
    'tokenizer.model',
    'x-2.bin',
  ]);
});

http('law: a split GGUF file brings its parts, and nothing else is asked for', async () => {
  const server = webServer({});
  const address = 'https://a.example/m-00001-of-00002.gguf';
  const { folder } = locateHttpModel(address, { fetch: server.fetch });
  const names = await folder.list();
  assert.equal(names, ['m-00001-of-00002.gguf', 'm-00002-of-00002.gguf']);
  assert.equal(server.requests, []);
});

/** A server that denies what it has not, as object stores do. */
function denyingFetch(files: Readonly<Record<string, Uint8Array>>, status: number): typeof fetch {
  const server = webServer(files);
  return async (input, init) => {
    const answer = await server.fetch(input, init);
    return answer.status === 404 ? new Response('', { status }) : answer;
  };
}

http('law: what a server denies is not there, where anything can be read', async () => {
  for (const status of [401, 403]) {
    const files = { '/m/config.json': utf8('{}'), '/m/pytorch_model.bin': utf8('w') };
    const options = { fetch: denyingFetch(files, status) };
    const listOf = (path: string) =>
      locateHttpModel(`https://a.example${path}`, options).folder.list();
    assert.equal((await listOf('/m/')).sort(), ['config.json', 'pytorch_model.bin']);
    assert.equal(await listOf('/m/pytorch_model.bin'), ['config.json', 'pytorch_model.bin']);
    const denied = { code: 'io-failed', found: status, message: 'access is denied' } as const;
    await expectRefusal(() => listOf('/other/'), denied);
    await expectRefusal(() => listOf('/other/w.safetensors'), denied);
  }
  const alone = { fetch: denyingFetch({ '/words.model': utf8('t') }, 403) };
  const { folder } = locateHttpModel('https://a.example/words.model', alone);
  assert.equal(await folder.list(), ['words.model']);
});

http(
  'error: weights that are denied are told as denied, and no hindrance to the tokenizer',
  async () => {
    const embedded = embeddedFiles('/m/');
    const files = Object.fromEntries(
      ['/m/config.json', '/m/tokenizer.model'].map((name) => [name, embedded[name]]),
    );
    for (const status of [401, 403]) {
      const folder = httpFolder('https://a.example/m', { fetch: denyingFetch(files, status) });
      const file = 'https://a.example/m/model.safetensors';
      const denied = {
        code: 'io-failed',
        found: status,
        file,
        message: 'access is denied',
      } as const;
      await expectRefusal(() => load(folder), denied);
      assert.ok((await openTokenizer(folder)).encode('春').length > 0);
    }
  },
);

http('law: a GGUF file is read where everything else is denied', async () => {
  const options = { fetch: denyingFetch({ '/m/x.gguf': smallModel() }, 403) };
  const { folder, weights } = locateHttpModel('https://a.example/m/x.gguf?signature=1', options);
  assert.equal([await folder.list(), weights], [['x.gguf'], 'x.gguf']);
});

http('error: a name that leads elsewhere is not asked for', async () => {
  const server = webServer({});
  const folder = httpFolder('https://a.example/m/', { fetch: server.fetch });
  for (const name of ['../x', 'a/b', 'a\\b', '', '..', '.']) {
    const expected = { code: 'index-path', file: 'https://a.example/m' } as const;
    await expectRefusal(() => folder.open(name), expected);
  }
  assert.equal(server.requests, []);
});

http('error: what is no address, and a server that is not there', async () => {
  await expectRefusal(() => locateHttpModel('http://'), { code: 'option-value', where: 'source' });
  for (const name of ['%ZZ.gguf', '%E4%BD.safetensors']) {
    const action = () => locateHttpModel(`https://a.example/${name}`);
    await expectRefusal(action, { code: 'option-value', where: 'source', fix: '%25' });
  }
  const nowhere: typeof fetch = async () => {
    throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND a.example') });
  };
  const folder = httpFolder('https://a.example/m', { fetch: nowhere, retryMs: 1 });
  const expected = { code: 'io-failed', message: 'ENOTFOUND' } as const;
  await expectRefusal(() => folder.list(), {
    ...expected,
    file: 'https://a.example/m/config.json',
  });
});

http('error: a page in place of a file is told as one', async () => {
  const files = { ...embeddedFiles('/m/'), '/m/model.safetensors': utf8('<!DOCTYPE html><html>') };
  const folder = httpFolder('https://a.example/m', { fetch: webServer(files).fetch });
  await expectRefusal(() => load(folder), {
    code: 'io-html',
    file: 'https://a.example/m/model.safetensors',
  });
});

http('law: a model loads from a server as from its files, and computes the same', async () => {
  const server = createServer((request, response) => sendFile(request, response)).listen(0);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `http://127.0.0.1:${port}/embedded`;
  try {
    await using model = await load(address);
    await using expected = await load();
    const ids = (await openTokenizer(`${address}/tokenizer.model`)).encode('登鹳雀楼->王之涣\n');
    assert.equal(ids, (await openTokenizer()).encode('登鹳雀楼->王之涣\n'));
    const [found, known] = [model.openSequence(), expected.openSequence()];
    assert.equal(await found.append(ids), await known.append(ids));
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

const FILES = embeddedFiles('/embedded/');

/** Files as a plain static server gives them. */
function sendFile({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
  const bytes = FILES[url];
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  if (bytes === undefined) {
    response.writeHead(404).end();
    return;
  }
  const [begin, end] = [
    Number(first ?? 0),
    Math.min(Number(last ?? bytes.length - 1) + 1, bytes.length),
  ];
  const range = `bytes ${begin}-${end - 1}/${bytes.length}`;
  const length = { 'content-length': end - begin };
  response.writeHead(first === undefined ? 200 : 206, { ...length, 'content-range': range });
  response.end(bytes.subarray(begin, end));
}

/** Loads the embedded model from a server that never answers one of the requests; the signal is
 *  raised then. @returns how many requests there were */
async function loadStalledAt(request: number): Promise<number> {
  const server = webServer(embeddedFiles('/m/'));
  server.faults = new Map([[request, { silent: true }]]);
  const controller = new AbortController();
  const timer = setInterval(() => {
    if (server.requests.length > request) controller.abort();
  }, 2);
  const options = {
    signal: controller.signal,
    kernels: 'reference',
    needsTokenizer: true,
  } as const;
  try {
    const model = await load(httpFolder('https://a.example/m', { fetch: server.fetch }), options);
    await model.close();
    return server.requests.length;
  } finally {
    clearInterval(timer);
  }
}

http('error: wherever a server falls silent, a signal ends loading', async () => {
  const requests = await loadStalledAt(Number.POSITIVE_INFINITY);
  assert.ok(requests > 10);
  for (let request = 0; request < requests; request++) {
    await expectAborted(loadStalledAt(request), `request ${request}`);
  }
});

http('law: a signal that is raised after loading leaves the tokenizer to be read', async () => {
  const server = webServer(embeddedFiles('/m/'));
  const folder = httpFolder('https://a.example/m', { fetch: server.fetch });
  const controller = new AbortController();
  const model = await load(folder, { signal: controller.signal, kernels: 'reference' });
  controller.abort();
  assert.ok((await model.tokenizer()).encode('春').length > 0);
  await model.close();
});

http.run();
