/** The peak of memory and the processor time of opening the worst files that are known, each in a
 *  process of its own: I2 (1 s and 0.2 s per MB) and I3 (64 MiB and 6 times the bytes present). */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { safetensorsFile, scratchPath, utf8 } from './support/model-files.ts';

const peakMemory = suite('peak-memory');

const golden = new URL('../fixtures/goldens/alibi_slopes.safetensors', import.meta.url);
const source = (file: string) => JSON.stringify(new URL(`../src/${file}`, import.meta.url).href);

/** Opens a small file first, so that the code is loaded before the measurement begins. */
const script = `
  import { openSafetensors } from ${source('formats/safetensors.ts')};
  import { parseShardIndex } from ${source('formats/shard-index.ts')};
  import { openFile } from ${source('platform/node.ts')};
  const open = async (path) => {
    const file = await openFile(path);
    if (path.endsWith('safetensors')) return openSafetensors(file);
    const bytes = await file.read(0, file.size);
    await file.close();
    return parseShardIndex(bytes, path);
  };
  const [small, path] = process.argv.slice(1);
  await (await open(small)).close();
  const bytesBefore = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  const outcome = await open(path).then(() => 'opened', ({ code, message }) => code ?? message);
  const { user, system } = process.cpuUsage(cpu);
  const peakBytes = process.resourceUsage().maxRSS * 1024 - bytesBefore;
  console.log(JSON.stringify({ outcome, peakBytes, durationMs: (user + system) / 1000 }));`;

/** Opens a file in a process of its own, and asserts the bounds. */
function expectBounded(bytes: Uint8Array, name: string, outcome: string): void {
  const path = scratchPath(name);
  writeFileSync(path, bytes);
  const argv = ['--import', 'tsx', '--input-type=module', '-e', script];
  const output = execFileSync(process.execPath, [...argv, fileURLToPath(golden), path], {
    encoding: 'utf8',
  });
  const found = JSON.parse(output);
  assert.is(found.outcome, outcome);
  const maxBytes = 64 * 2 ** 20 + 6 * bytes.length;
  assert.ok(found.peakBytes <= maxBytes, `I3: ${found.peakBytes} bytes, not ${maxBytes}`);
  const maxMs = 1000 + 0.2 * (bytes.length / 1000);
  assert.ok(found.durationMs <= maxMs, `I2: ${found.durationMs} ms, not ${maxMs} ms`);
}

function members(count: number, value: string): string {
  return Array.from({ length: count }, (_, index) => `"${index.toString(36)}":${value}`).join(',');
}

const SAFETENSORS: [title: string, header: () => string, outcome: string][] = [
  ['a name of escapes', () => `{"${'\\n'.repeat(7.5e6)}":{}}`, 'safetensors-name'],
  ['a name that its pointer escapes', () => `{"${'~'.repeat(15e6)}":{}}`, 'safetensors-name'],
  ['line ends', () => `{${'\n'.repeat(15e6)}x`, 'json-syntax'],
  ['keys of the metadata', () => `{"__metadata__":{${members(13e5, '""')}}}`, 'json-size'],
  ['keys of one tensor', () => `{"a":{${members(15e5, '0')}}}`, 'json-size'],
  ['elements of a shape', () => `{"a":{"shape":[${'0,'.repeat(7e6)}0]}}`, 'json-size'],
  ['objects in an array', () => `{"a":[${'{},'.repeat(5e6)}0]}`, 'json-size'],
  ['a text of escapes', () => `{"__metadata__":{"世":"${'\\n'.repeat(7e6)}"}}`, 'opened'],
];

for (const [title, header, outcome] of SAFETENSORS) {
  peakMemory(`law: I2, I3 hold for a safetensors header of 15 MB: ${title}`, () => {
    expectBounded(safetensorsFile(header()), 'model.safetensors', outcome);
  });
}

function ownShards(): string {
  return Array.from({ length: 1e5 }, (_, index) => `"${index}":"${index}"`).join(',');
}

peakMemory('law: I2, I3 hold for a header of 1 MB full of objects', () => {
  const header = `{"a":[${'{},'.repeat(299_000)}0]}`;
  expectBounded(safetensorsFile(header), 'model.safetensors', 'json-size');
});

const INDICES: [title: string, map: () => string, outcome: string][] = [
  ['names of tensors', () => members(2e6, '"a"'), 'json-size'],
  ['a name of escapes', () => `"${'\\n'.repeat(1e7)}":"a"`, 'opened'],
  ['100,000 names, each in a shard of its own', ownShards, 'opened'],
];

for (const [title, map, outcome] of INDICES) {
  peakMemory(`law: I2, I3 hold for a shard index of up to 23 MB: ${title}`, () => {
    expectBounded(utf8(`{"weight_map":{${map()}}}`), 'index.json', outcome);
  });
}

peakMemory.run();
