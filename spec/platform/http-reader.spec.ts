import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openHttpFile } from '../../src/platform/http-source.ts';
import { BYTES, fileOf, readWith, SIZE, serve, URL_TEXT } from '../support/http-file.ts';
import { countingBytes } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const http = suite('http-reader');

http('law: of an answer that is shorter than asked, the rest is asked for at once', async () => {
  const server = serve();
  server.rangeBytes = 7000;
  // A pause would outlast the spec.
  const source = await openHttpFile({ ...fileOf(server), retryMs: 1e6 });
  assert.equal(await source.read(3, 20_000), BYTES.slice(3, 20_003));
  assert.equal(await source.read(20_003, 10), BYTES.slice(20_003, 20_013));
  assert.equal(await source.read(20_013, 100), BYTES.slice(20_013, 20_113));
  const last = SIZE - 1;
  assert.equal(
    server.requests.map((request) => request.split('=')[1]),
    ['0-0', '3-20002', '7003-20002', '14003-20002', `20003-${last}`],
  );
  await source.close();
});

http(
  'law: what was asked for ahead of a read is asked for on, where an answer is short',
  async () => {
    const server = serve();
    server.rangeBytes = 2000;
    const source = await openHttpFile({ ...fileOf(server), retryMs: 1e6 });
    for (let at = 0; at < 9000; at += 3000) {
      assert.equal(await source.read(at, 3000), BYTES.slice(at, at + 3000));
    }
    const asked = server.requests.slice(1).map((request) => request.split('=')[1]);
    const last = SIZE - 1;
    assert.equal(asked.slice(0, 2), ['0-2999', '2000-2999']);
    assert.equal(asked.slice(2), [`3000-${last}`, `5000-${last}`, `7000-${last}`]);
  },
);

http('law: any ranges from a server of short answers are those of the file', async () => {
  const part = fc.tuple(fc.nat(SIZE), fc.nat(3000), fc.integer({ min: 1024, max: 4000 }));
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), async (parts) => {
      const server = serve();
      const source = await openHttpFile(fileOf(server));
      for (const [begin, length, rangeBytes] of parts) {
        server.rangeBytes = rangeBytes;
        const end = Math.min(begin + length, SIZE);
        assert.equal(await source.read(begin, end - begin), BYTES.slice(begin, end));
      }
    }),
    { seed: 4, numRuns: 60 },
  );
});

http('law: short answers and broken ones in turns are read to the end', async () => {
  const server = serve();
  server.rangeBytes = 3000;
  const faults = { 2: { cut: 2000 }, 4: { cut: 0 }, 5: { hangAfter: 1000 } };
  assert.equal(await readWith(faults, [3, 20_000], server), BYTES.slice(3, 20_003));
});

http('error: a server whose answers get nowhere is refused, not followed for hours', async () => {
  const meagre = { code: 'io-no-ranges', file: URL_TEXT, message: 'less than 1024 bytes' } as const;
  const server = serve();
  const reading = (rangeBytes: number, range: number[]) => async () => {
    server.requests.length = 0;
    server.rangeBytes = rangeBytes;
    const source = await openHttpFile({ ...fileOf(server), retryMs: 1e6 });
    return source.read(range[0], range[1]);
  };
  const fix = 'download the file';
  await expectRefusal(reading(5, [3, 20_000]), { ...meagre, where: 'byte 163', fix });
  assert.is(server.requests.length, 33);
  assert.equal(await reading(5, [3, 160])(), BYTES.slice(3, 163));
  await reading(1024, [0, SIZE])();
  // The connection breaks every time, after a few bytes.
  const cut = Object.fromEntries(Array.from({ length: 99 }, (_, at) => [at + 1, { cut: 1000 }]));
  server.rangeBytes = Number.POSITIVE_INFINITY;
  server.files.set('/a/model.bin', { bytes: countingBytes(99_300), etag: '"1"' });
  const broken = () => {
    server.requests.length = 0;
    return readWith(cut, [3, 90_000], server);
  };
  await expectRefusal(broken, meagre);
  assert.is(server.requests.length, 33);
});

http('law: reads that leave an answer early are not held against the server', async () => {
  const source = await openHttpFile(fileOf(serve()));
  for (let at = 0; at < 20_000; at += 300) {
    for (const begin of [at, at + 5]) {
      assert.equal(await source.read(begin, 5), BYTES.slice(begin, begin + 5));
    }
  }
});

http('error: an answer whose range ends before it begins', async () => {
  const headers = { 'content-range': `bytes 3-2/${SIZE}` };
  const action = () => readWith({ 1: { headers } });
  await expectRefusal(action, { code: 'io-no-ranges', file: URL_TEXT, message: 'other bytes' });
});

http.run();
