import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/index.ts';
import { httpFolder } from '../../src/platform/http-folder.ts';
import { utf8 } from '../support/model-files.ts';
import { expectAborted, expectRefusal } from '../support/refusal.ts';
import { webServer } from '../support/web-server.ts';

const http = suite('http-shards');

/** A folder whose index names so many shards, of which the server has those that a test takes. */
function shardedServer(count: number, isThere: (shard: number) => boolean) {
  const shards = Array.from({ length: count }, (_, shard) => `part-${shard}.safetensors`);
  const map = Object.fromEntries(shards.map((shard, tensor) => [`t${tensor}`, shard]));
  const there = shards.filter((_, shard) => isThere(shard));
  const server = webServer({
    '/m/config.json': utf8('{}'),
    '/m/model.safetensors.index.json': utf8(JSON.stringify({ weight_map: map })),
    ...Object.fromEntries(there.map((shard) => [`/m/${shard}`, utf8('w')])),
  });
  const asked = () => server.requests.filter((request) => request.includes('/part-')).length;
  return { server, shards, there, asked };
}

const listedShards = async (send: typeof fetch, signal?: AbortSignal) =>
  (await httpFolder('https://a.example/m', { fetch: send, retryMs: 1 }).list(signal)).filter(
    (name) => name.startsWith('part-'),
  );

http('law: of the shards of an index, those are listed that are there', async () => {
  const { server, there, asked } = shardedServer(21, (shard) => shard % 3 !== 1);
  let [open, most] = [0, 0];
  const slow: typeof fetch = async (input, init) => {
    if (String(input).includes('/part-')) open += 1;
    most = Math.max(most, open);
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (String(input).includes('/part-')) open -= 1;
    return server.fetch(input, init);
  };
  assert.equal(await listedShards(slow), there);
  assert.equal([asked(), most], [21, 8]);
});

http('error: IX03 a shard that the server has not, as in a folder on disk', async () => {
  const { server } = shardedServer(3, (shard) => shard !== 1);
  await expectRefusal(() => load(httpFolder('https://a.example/m', { fetch: server.fetch })), {
    code: 'index-missing-shard',
    file: 'https://a.example/m/model.safetensors.index.json',
    message: '2 of 3 present; missing: part-1.safetensors.',
  });
});

http('law: an index of more shards than any model has brings no request for each', async () => {
  for (const [count, requests] of [
    [256, 256],
    [257, 0],
    [5000, 0],
  ]) {
    const { server, shards, asked } = shardedServer(count, () => false);
    assert.equal(await listedShards(server.fetch), requests === 0 ? shards : []);
    assert.is(asked(), requests);
  }
});

http('law: shards that are denied are listed, and so are all after a fault', async () => {
  for (const status of [401, 403]) {
    const { server, shards } = shardedServer(5, () => false);
    const denying: typeof fetch = async (input, init) => {
      const answer = await server.fetch(input, init);
      return String(input).includes('/part-') ? new Response('', { status }) : answer;
    };
    assert.equal(await listedShards(denying), shards);
  }
  const { server, shards, asked } = shardedServer(40, () => true);
  const breaking: typeof fetch = async (input, init) => {
    const answer = await server.fetch(input, init);
    return String(input).includes('/part-') ? new Response('', { status: 503 }) : answer;
  };
  assert.equal(await listedShards(breaking), shards);
  assert.is(asked(), 8);
});

http('error: a signal ends asking for shards', async () => {
  const { server, asked } = shardedServer(40, () => true);
  const controller = new AbortController();
  const silent: typeof fetch = (input, init) => {
    const answer = server.fetch(input, init);
    if (asked() === 8) controller.abort();
    return asked() === 0 ? answer : new Promise(() => {});
  };
  await expectAborted(listedShards(silent, controller.signal));
  assert.is(asked(), 8);
});

http.run();
