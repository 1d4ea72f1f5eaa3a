import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openHttpFile } from '../../src/platform/http-source.ts';
import { BYTES, fileOf, readWith, SIZE, serve, URL_TEXT } from '../support/http-file.ts';
import { expectAborted, expectRefusal } from '../support/refusal.ts';

const http = suite('http-source');

http('law: any ranges in any order, also at once, are those of the file', async () => {
  const part = fc
    .tuple(fc.nat(SIZE), fc.nat(SIZE))
    .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.boolean(), async (parts, atOnce) => {
      const source = await openHttpFile(fileOf(serve()));
      const read = ([begin, end]: number[]) => source.read(begin, end - begin);
      const found: Uint8Array[] = [];
      if (atOnce) found.push(...(await Promise.all(parts.map(read))));
      else for (const one of parts) found.push(await read(one));
      assert.equal(
        found,
        parts.map(([begin, end]) => BYTES.slice(begin, end)),
      );
    }),
    { seed: 3, numRuns: 60 },
  );
});

http('law: reads that follow each other share one answer', async () => {
  const server = serve();
  const source = await openHttpFile(fileOf(server));
  assert.is(source.size, SIZE);
  for (let at = 0; at < 20_000; at += 2000) {
    assert.equal(await source.read(at, 2000), BYTES.slice(at, at + 2000));
  }
  await source.close();
  const path = 'GET /a/model.bin bytes=';
  assert.equal(server.requests, [`${path}0-0`, `${path}0-1999`, `${path}2000-${SIZE - 1}`]);
});

http(
  'law: an answer that breaks off, hangs or is refused for a while is taken up again',
  async () => {
    for (const fault of [
      { cut: 0 },
      { cut: 4000 },
      { hangAfter: 2000 },
      { status: 503 },
      { status: 429 },
    ]) {
      assert.equal(await readWith({ 1: fault }), BYTES.slice(3, 20_003), JSON.stringify(fault));
      assert.equal(await readWith({ 0: fault }), BYTES.slice(3, 20_003), JSON.stringify(fault));
      const twice = { 1: fault, 2: fault, 4: fault };
      assert.equal(await readWith(twice), BYTES.slice(3, 20_003), JSON.stringify(twice));
    }
    const server = serve();
    await readWith({ 1: { cut: 4000 } }, [3, 20_000], server);
    assert.is(server.requests[2], 'GET /a/model.bin bytes=4003-20002');
  },
);

http('error: a fault that does not pass is given up after five attempts', async () => {
  for (const [fault, reason] of [
    [{ cut: 0 }, 'connection reset'],
    [{ status: 500 }, 'status 500'],
    [{ hangAfter: 0 }, 'no byte came for 0.05 s'],
  ] as const) {
    const server = serve();
    const faults = Object.fromEntries([1, 2, 3, 4, 5, 6].map((at) => [at, fault]));
    const action = () => {
      server.requests.length = 0;
      return readWith(faults, [3, 20_000], server);
    };
    const message = [reason, '5 times in a row'];
    await expectRefusal(action, { code: 'io-failed', file: URL_TEXT, message });
    assert.is(server.requests.length, 6);
  }
});

http('error: missing files, closed doors and refusals are named', async () => {
  for (const [status, code, message] of [
    [404, 'io-not-found', 'no such file'],
    [403, 'io-failed', 'access is denied (status 403)'],
    [401, 'io-failed', 'access is denied'],
    [400, 'io-failed', 'status 400'],
  ] as const) {
    await expectRefusal(() => readWith({ 0: { status } }), { code, file: URL_TEXT, message });
    await expectRefusal(() => readWith({ 1: { status } }), { code, file: URL_TEXT, message });
  }
});

http('error: a file that changes while it is open is never mixed', async () => {
  for (const headers of [
    { etag: '"2"' },
    { etag: undefined },
    { 'content-range': 'bytes 3-20002/25301' },
  ]) {
    const action = () => readWith({ 1: { headers } });
    await expectRefusal(action, { code: 'io-changed', file: URL_TEXT, where: 'byte 3' });
  }
  const server = serve();
  const source = await openHttpFile(fileOf(server));
  server.files.set('/a/model.bin', { bytes: BYTES.slice(1), etag: '"1"' });
  await expectRefusal(() => source.read(0, 9), { code: 'io-changed', file: URL_TEXT });
});

http('error: a server that answers with other bytes than it was asked for', async () => {
  const action = () => readWith({ 1: { shift: 1 } });
  await expectRefusal(action, { code: 'io-no-ranges', file: URL_TEXT, message: 'other bytes' });
});

http(
  'law: without ranges a small file is read whole, and a cut one is not taken for it',
  async () => {
    const server = serve();
    server.knowsRanges = false;
    assert.equal(await readWith({}, [3, 20_000], server), BYTES.slice(3, 20_003));
    assert.is(server.requests.length, 1);
    server.requests.length = 0;
    assert.equal(await readWith({ 0: { cut: 3000 } }, [3, 9], server), BYTES.slice(3, 12));
    assert.is(server.requests.length, 2);
  },
);

http('error: without ranges a large file is refused before it is read', async () => {
  const large = { 'content-length': String(14e9) };
  const server = serve();
  server.knowsRanges = false;
  const action = () => {
    server.requests.length = 0;
    return readWith({ 0: { headers: large } }, [0, 1], server);
  };
  const message = 'sends whole files only';
  await expectRefusal(action, { code: 'io-no-ranges', file: URL_TEXT, message });
});

http(
  'law: a page that may not see Content-Range asks for the size, and reads the same',
  async () => {
    const server = serve();
    server.hidden = ['content-range', 'etag'];
    assert.equal(await readWith({}, [3, 20_000], server), BYTES.slice(3, 20_003));
    assert.is(server.requests[1], 'HEAD /a/model.bin');
    server.hidden = ['content-range', 'content-length'];
    const message = 'does not tell the size';
    const action = () => readWith({}, [0, 1], server);
    await expectRefusal(action, { code: 'io-no-ranges', file: URL_TEXT, message });
  },
);

http('law: an empty file opens, and has no byte', async () => {
  const server = serve(new Uint8Array(0));
  const source = await openHttpFile(fileOf(server));
  assert.is(source.size, 0);
  assert.is((await source.read(0, 0)).length, 0);
  await expectRefusal(() => source.read(0, 1), { code: 'io-range', file: URL_TEXT });
});

http('error: after close nothing is read', async () => {
  const source = await openHttpFile(fileOf(serve()));
  await source.close();
  await source.close();
  await expectRefusal(() => source.read(0, 1), { code: 'io-closed', file: URL_TEXT });
});

http('law: headers are sent with every request', async () => {
  const server = serve();
  const seen: (string | null)[] = [];
  const spy: typeof fetch = (input, init) => {
    seen.push(new Headers(init?.headers).get('authorization'));
    return server.fetch(input, init);
  };
  const headers = { authorization: 'Bearer x' };
  const source = await openHttpFile({ ...fileOf(server), fetch: spy, headers });
  await source.read(1, 5);
  assert.equal(seen, ['Bearer x', 'Bearer x']);
});

http('error: a signal ends every wait: for an answer, for bytes, between attempts', async () => {
  for (const fault of [{ silent: true }, { hangAfter: 0 }, { hangAfter: 1000 }, { status: 503 }]) {
    for (const request of [0, 1]) {
      const server = serve();
      server.faults = new Map([[request, fault]]);
      // The first answer has a body to wait for only where it is the whole file.
      server.knowsRanges = request > 0;
      const controller = new AbortController();
      const patient = { patienceMs: 1e6, retryMs: 1e6, signal: controller.signal };
      const reading = (async () => {
        const source = await openHttpFile({ ...fileOf(server), ...patient });
        await source.read(3, 20_000);
      })();
      const untilStalled = setInterval(() => {
        if (server.requests.length > request) controller.abort('enough');
      }, 5);
      try {
        await expectAborted(reading, JSON.stringify(fault));
      } finally {
        clearInterval(untilStalled);
      }
      assert.is(server.requests.length, request + 1, JSON.stringify(fault));
    }
  }
});

http('law: a signal that is not raised changes nothing, and no listener of it stays', async () => {
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  const spied = Object.assign(signal, {
    addEventListener: (_: string, listener: unknown) => listeners.add(listener),
    removeEventListener: (_: string, listener: unknown) => listeners.delete(listener),
  });
  const server = serve();
  server.faults = new Map([[1, { cut: 4000 }]]);
  const source = await openHttpFile({ ...fileOf(server), signal: spied });
  assert.equal(await source.read(3, 20_000), BYTES.slice(3, 20_003));
  await source.close();
  assert.is(listeners.size, 0);
});

http.run();
