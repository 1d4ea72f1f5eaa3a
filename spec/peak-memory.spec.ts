/** The peak of memory and the processor time of opening the worst files that are known, each in a
 *  process of its own: I2 (1 s and 0.2 s per MB) and I3 (64 MiB and 6 times the bytes present). */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../src/formats/zip/crc32.ts';
import { MarkedWriter } from './support/fuzz/marked.ts';
import { joinBytes, safetensorsFile, utf8 } from './support/model-files.ts';
import { code, pickle, rawPickle } from './support/pickle-code.ts';
import { scratchPath } from './support/scratch-files.ts';
import { tensorCode, wholeView } from './support/torch-file.ts';
import { patched, zipFile } from './support/zip-file.ts';

const peakMemory = suite('peak-memory');

const golden = new URL('../fixtures/goldens/alibi_slopes.safetensors', import.meta.url);
const torchGolden = new URL(
  '../fixtures/checkpoints/alibi-5heads-bin-f16/pytorch_model-00001-of-00003.bin',
  import.meta.url,
);
const source = (file: string) => JSON.stringify(new URL(`../src/${file}`, import.meta.url).href);

/** Opens a small file first, so that the code is loaded before the measurement begins. Linux counts
 *  what the parent held at the fork in maxRSS, but not in VmHWM. */
const script = `
  import { existsSync, readFileSync } from 'node:fs';
  import { openSafetensors } from ${source('formats/safetensors.ts')};
  import { openTorch } from ${source('formats/torch/torch.ts')};
  import { parseShardIndex } from ${source('formats/shard-index.ts')};
  import { openFile } from ${source('platform/node.ts')};
  const open = async (path) => {
    const file = await openFile(path);
    if (path.endsWith('safetensors')) return openSafetensors(file);
    if (path.endsWith('bin')) return openTorch(file);
    const bytes = await file.read(0, file.size);
    await file.close();
    return parseShardIndex(bytes, path);
  };
  const [path, ...small] = process.argv.slice(1);
  for (const each of small) await (await open(each)).close();
  const bytesBefore = process.memoryUsage().rss;
  const cpu = process.cpuUsage();
  const outcome = await open(path).then(() => 'opened', ({ code, message }) => code ?? message);
  const { user, system } = process.cpuUsage(cpu);
  const status = '/proc/self/status';
  const [, peak] = existsSync(status)
    ? /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync(status, 'utf8'))
    : [, process.resourceUsage().maxRSS];
  const peakBytes = Number(peak) * 1024 - bytesBefore;
  console.log(JSON.stringify({ outcome, peakBytes, durationMs: (user + system) / 1000 }));`;

/** Opens a file in a process of its own, and asserts the bounds. */
function expectBounded(bytes: Uint8Array, name: string, outcome: string): void {
  const path = scratchPath(name);
  writeFileSync(path, bytes);
  const argv = ['--import', 'tsx', '--input-type=module', '-e', script];
  const small = [golden, torchGolden].map((url) => fileURLToPath(url));
  const maxBytes = 64 * 2 ** 20 + 6 * bytes.length;
  const maxMs = 1000 + 0.2 * (bytes.length / 1000);
  let [peakBytes, durationMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  // A collector that comes late, or a slow machine, is no fault of the reader's.
  for (let run = 0; run < 3 && !(peakBytes <= maxBytes && durationMs <= maxMs); run++) {
    const output = execFileSync(process.execPath, [...argv, path, ...small], { encoding: 'utf8' });
    const found = JSON.parse(output);
    assert.is(found.outcome, outcome);
    peakBytes = Math.min(peakBytes, found.peakBytes);
    durationMs = Math.min(durationMs, found.durationMs);
  }
  assert.ok(peakBytes <= maxBytes, `I3: ${peakBytes} bytes, not ${maxBytes}`);
  assert.ok(durationMs <= maxMs, `I2: ${durationMs} ms, not ${maxMs} ms`);
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

/** Opcodes over and over. */
function repeated(opcodes: Uint8Array, count: number): Uint8Array {
  const bytes = new Uint8Array(opcodes.length * count);
  for (let index = 0; index < count; index++) bytes.set(opcodes, index * opcodes.length);
  return bytes;
}

/** A pickle between a version and the directory, laid out by hand: the builder of specs is for
 *  small files. */
function withPickle(pickle: Uint8Array): Uint8Array {
  const parts = ['a/version', 'a/data.pkl'].map((name) => ({ name, data: utf8('3') }));
  const { bytes, places } = zipFile(parts, {});
  const [begin, at] = places.central;
  const fields: [at: number, size: number, value: number][] = [
    ...[20, 24].map((field): [number, number, number] => [at + field, 4, pickle.length]),
    ...[18, 22].map((field): [number, number, number] => [
      places.local[1] + field,
      4,
      pickle.length,
    ]),
    ...[at + 16, places.local[1] + 14].map((place): [number, number, number] => [
      place,
      4,
      crc32(pickle),
    ]),
    [places.end + 16, 4, begin - 1 + pickle.length],
  ];
  const file = fields.reduce(
    (whole, [place, size, value]) => patched(whole, place, size, value),
    bytes,
  );
  return joinBytes(file.slice(0, begin - 1), pickle, file.slice(begin));
}

/** 200,000 entries without data, named by numbers. */
function manyEntries(): Uint8Array {
  const count = 200_000;
  const file = new Uint8Array(count * (38 + 54));
  const record = new Uint8Array(54);
  const view = new DataView(record.buffer);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(28, 8, true);
  for (let index = 0; index < count; index++) {
    view.setUint32(42, index * 38, true);
    record.set(utf8(String(index).padStart(8, '0')), 46);
    file.set(record, count * 38 + index * 54);
  }
  file.set(utf8('PK\u0003\u0004'));
  const end = new MarkedWriter();
  end.number(4, 0x06064b50).number(8, 44).number(4, 0).number(8, 0).number(8, count);
  end
    .number(8, count)
    .number(8, count * 54)
    .number(8, count * 38);
  end
    .number(4, 0x07064b50)
    .number(4, 0)
    .number(8, count * 92)
    .number(4, 1);
  end.number(4, 0x06054b50).number(4, 0).number(2, 65535).number(2, 65535);
  end
    .number(4, count * 54)
    .number(4, count * 38)
    .number(2, 0);
  return joinBytes(file, end.done().bytes);
}

/** A state dict of 100,000 tensors of one storage that is not there. */
function manyTensors(): Uint8Array {
  const tensor = pickle(tensorCode(wholeView('F32', '0', [2, 3]))).bytes.slice(2, -1);
  const names = Array.from({ length: 100_000 }, (_, index) => String(index).padStart(6, '0'));
  const items = names.map((name) => joinBytes(code('X', 6, 0, 0, 0, name), tensor));
  return withPickle(rawPickle('}(', joinBytes(...items), 'u'));
}

const length = (bytes: number) => new Uint8Array(Uint32Array.of(bytes).buffer);

const TORCH: [title: string, file: () => Uint8Array, outcome: string][] = [
  ['200,000 entries', manyEntries, 'torch-pickle'],
  ['100,000 tensors', manyTensors, 'torch-storage'],
  [
    '64 MB of tuples',
    () => withPickle(rawPickle(']', repeated(code('K', 1, 0x85, 'a'), 16e6))),
    'pickle-limit',
  ],
  [
    'a text of 64 MB',
    () => withPickle(rawPickle('X', length(64e6), new Uint8Array(64e6).fill(97))),
    'torch-state-dict',
  ],
  ['4 million memos', () => withPickle(rawPickle(']', ...memos(4_000_001))), 'pickle-limit'],
];

function memos(count: number): Uint8Array[] {
  const bytes = repeated(code('r', 0, 0, 0, 0), count);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) view.setUint32(5 * index + 1, index, true);
  return [bytes];
}

for (const [title, file, outcome] of TORCH) {
  peakMemory(`law: I2, I3 hold for a PyTorch file of ${title}`, () => {
    expectBounded(file(), 'pytorch_model.bin', outcome);
  });
}

peakMemory.run();
