import { createHash } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseChecksums } from '../../src/engine/verify-files.ts';
import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { type VerifyOptions, verifyModel } from '../../src/index.ts';
import { createSha256 } from '../../src/platform/sha256.ts';
import {
  checkpointFolder,
  configText,
  rawTensors,
  shardedFolder,
  torchCheckpoint,
} from '../support/checkpoint-files.ts';
import {
  convertedFiles,
  convertedFolder,
  convertedGguf,
  ropeFolder,
} from '../support/conversions.ts';
import { GOLDENS, type Golden } from '../support/goldens.ts';
import { memoryFolder, utf8 } from '../support/model-files.ts';
import { randomSource } from '../support/random.ts';
import { expectRefusal } from '../support/refusal.ts';

const verify = suite('verify-model');

const alibi = GOLDENS.find(({ name }) => name === 'alibi-5heads') as Golden;
const check = (source: Folder | Blob, options: Partial<VerifyOptions> = {}) =>
  verifyModel(source, { createSha256, ...options });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const torch = torchCheckpoint(alibi);
const torchFolder = (bytes: Uint8Array) =>
  memoryFolder({ 'config.json': configText(alibi), 'pytorch_model.bin': bytes });

verify('law: sha256 of the files is what node:crypto makes of all their bytes', async () => {
  const files = await convertedFiles(ropeFolder(), { maxShardBytes: 100_000 });
  const verification = await check(memoryFolder(files));
  assert.equal(verification.problems, []);
  const expected = Object.keys(files)
    .sort()
    .map((name) => {
      return { name, bytes: files[name].length, sha256: sha256(files[name]) };
    });
  assert.equal(verification.files, expected);
  assert.ok(expected.length > 5);
});

verify('law: sha256 of a tensor is that of its elements', async () => {
  const { tensors, problems } = await check(checkpointFolder(alibi));
  assert.equal(problems, []);
  const raw = rawTensors(alibi);
  assert.is(tensors.length, raw.size);
  for (const { name, dtype, shape, nan, infinite, ...rest } of tensors) {
    const expected = raw.get(name);
    assert.equal({ dtype, shape }, { dtype: expected?.dtype, shape: expected?.shape });
    assert.equal([rest.sha256, nan, infinite], [sha256(expected?.bytes ?? utf8('')), 0, 0]);
    assert.not.ok('first' in rest);
  }
});

verify('law: the same weights have the same sha256 in every kind of file', async () => {
  const sums = async (source: Folder) => {
    const { tensors, problems } = await check(source);
    assert.equal(problems, []);
    return tensors.map((tensor) => [tensor.name, tensor.sha256].join(' ')).sort();
  };
  const expected = await sums(checkpointFolder(alibi));
  assert.equal(await sums(torchFolder(torch)), expected);
  assert.equal(await sums(shardedFolder(alibi, (name) => /[1-3]/.test(name))), expected);
  assert.equal(await sums(await convertedFolder(torchFolder(torch))), expected);
  const wide = await convertedFolder(ropeFolder(), { type: 'f32' });
  assert.equal(await sums(await convertedGguf(wide)), await sums(wide));
  const quantized = await convertedFolder(ropeFolder(), { quantize: 'int4' });
  const blocks = (lines: string[]) => lines.filter((line) => !/norm/.test(line));
  assert.equal(blocks(await sums(await convertedGguf(quantized))), blocks(await sums(quantized)));
});

verify('law: NaN and infinities are counted, and the first one has its index', async () => {
  const name = 'model.layers.1.mlp.up_proj.weight';
  const source = checkpointFolder(alibi, (tensors) => {
    const view = new DataView((tensors.get(name)?.bytes ?? utf8('')).buffer);
    view.setFloat32(4 * (40 * 7 + 3), Number.NEGATIVE_INFINITY, true);
    view.setUint32(4 * (40 * 90 + 39), 0xffc12345, true);
    view.setFloat32(4 * (40 * 91), Number.NaN, true);
    const norm = new DataView((tensors.get('model.norm.weight')?.bytes ?? utf8('')).buffer);
    norm.setFloat32(4 * 39, Number.POSITIVE_INFINITY, true);
  });
  const { tensors, problems } = await check(source);
  const found = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const of = (key: string) => {
    const { nan, infinite, first } = found.get(key) ?? {};
    return { nan, infinite, first };
  };
  assert.equal(of(name), { nan: 2, infinite: 1, first: [7, 3] });
  assert.equal(of('model.norm.weight'), { nan: 0, infinite: 1, first: [39] });
  assert.equal(of('lm_head.weight'), { nan: 0, infinite: 0, first: undefined });
  assert.equal(
    problems.map(({ code, where }) => [code, where]),
    [
      ['tensor-not-finite', `${name}[7, 3]`],
      ['tensor-not-finite', 'model.norm.weight[39]'],
    ],
  );
  assert.ok(problems.every(({ exitCode }) => exitCode === 5));
});

verify('error: of 200 flipped bits of a .bin file none stays unseen', async () => {
  const random = randomSource(23);
  const places = random.signed(200, 1);
  for (const place of places) {
    const bytes = Uint8Array.from(torch);
    const bit = Math.floor(((place + 1) / 2) * 8 * bytes.length);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    const { problems } = await check(torchFolder(bytes)).catch((error) => ({ problems: [error] }));
    // Padding between entries belongs to no entry: only a list of checksums covers it.
    if (problems.length > 0) continue;
    const expected = new Map([['pytorch_model.bin', sha256(torch)]]);
    const against = await check(torchFolder(bytes), { expected });
    assert.equal(
      against.problems.map(({ code }) => code),
      ['checksum-mismatch'],
      `bit ${bit}`,
    );
    const isData = ranges.some(({ begin, end }) => bit >> 3 >= begin && bit >> 3 < end);
    assert.not.ok(isData, `bit ${bit} is of a tensor and was not seen`);
  }
});

/** Where the elements of each tensor lie in the file. */
const ranges = [...rawTensors(alibi).values()].map(({ bytes }) => {
  const begin = Buffer.from(torch).indexOf(Buffer.from(bytes));
  return { begin, end: begin + bytes.length };
});

verify('error: an entry of a .bin file with another checksum is named', async () => {
  const bytes = Uint8Array.from(torch);
  const raw = rawTensors(alibi).get('lm_head.weight')?.bytes ?? utf8('');
  const begin = Buffer.from(torch).indexOf(Buffer.from(raw));
  bytes[begin + 1000] ^= 1;
  const { problems, tensors } = await check(torchFolder(bytes));
  assert.is(tensors.length, 24);
  assert.equal(
    problems.map(({ code, where, file }) => [code, where, file]),
    [
      [
        'zip-crc',
        `entry "archive/data/${[...rawTensors(alibi).keys()].indexOf('lm_head.weight')}"`,
        'folder/pytorch_model.bin',
      ],
    ],
  );
});

verify(
  'law: what is wrong with the model is told beside its files, all of which are read',
  async () => {
    const isSecond = (name: string) => /[1-3]/.test(name);
    const missing = shardedFolder(alibi, isSecond, (tensors) => {
      tensors.delete('model.norm.weight');
    });
    const wrongShape = memoryFolder({
      'config.json': configText(alibi, { intermediate_size: 111 }),
      'pytorch_model.bin': torch,
    });
    const noShard: Folder = {
      ...missing,
      list: async () => (await missing.list()).filter((name) => !name.includes('00002-of')),
    };
    for (const [source, code, files] of [
      [missing, 'index-tensor', 4],
      [wrongShape, 'model-shape', 2],
      [noShard, 'index-missing-shard', 3],
      [memoryFolder({ 'config.json': '{', 'pytorch_model.bin': torch }), 'json-syntax', 2],
    ] as const) {
      const verification = await check(source);
      assert.equal(
        verification.problems.map((problem) => problem.code),
        [code],
      );
      assert.is(verification.files.length, files);
      assert.equal(verification.tensors, []);
    }
  },
);

verify(
  'law: a list of checksums finds what changed, what is missing, and other files',
  async () => {
    const converted = await convertedFiles(ropeFolder());
    const files: Record<string, Uint8Array> = { ...converted, 'README.md': utf8('about') };
    const expected = new Map(Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)]));
    const whole = await check(memoryFolder(files), { expected });
    assert.equal(whole.problems, []);
    assert.ok(whole.files.some(({ name }) => name === 'README.md'));
    // As on a server, which lists the usual names only.
    const unlisted = memoryFolder(files);
    unlisted.list = async () => Object.keys(converted);
    assert.equal(await check(unlisted, { expected }), whole);
    const { 'generation_config.json': _, ...fewer } = files;
    const changed = { ...fewer, 'README.md': utf8('About') };
    const { problems } = await check(memoryFolder(changed), { expected });
    assert.equal(problems.map(({ code, file, found }) => [code, file, found]).sort(), [
      ['checksum-mismatch', 'folder/README.md', sha256(utf8('About'))],
      ['checksum-mismatch', 'folder/generation_config.json', 'nothing'],
    ]);
  },
);

verify('law: lists are read as sha256sum writes them', async () => {
  const [a, b] = ['a'.repeat(64), 'B'.repeat(64)];
  const text = `${a}  config.json\n# a remark\n\n${b} *folder/with blank.bin\r\n`;
  const read = parseChecksums(text, 'SUMS');
  assert.equal(
    [...read],
    [
      ['config.json', a],
      ['with blank.bin', 'b'.repeat(64)],
    ],
  );
  for (const empty of ['', '\n', '# nothing\n']) {
    await expectRefusal(() => parseChecksums(empty, 'SUMS'), { code: 'checksum-list' });
  }
  for (const line of [a, `${a} x`, `${'g'.repeat(64)}  x`, `${a.slice(1)}  x`, `${a}  `]) {
    await expectRefusal(() => parseChecksums(`${a}  x\n${line}`, 'SUMS'), {
      code: 'checksum-list',
      file: 'SUMS',
      where: 'line 2',
      fix: 'sha256sum',
    });
  }
});

verify('law: a GGUF file in a Blob is one file', async () => {
  const folder = await convertedGguf(ropeFolder());
  const source = await folder.open('model.gguf');
  const bytes = await source.read(0, source.size);
  const { files, tensors, problems } = await check(new Blob([Uint8Array.from(bytes)]));
  assert.equal([files.length, tensors.length, problems], [1, 17, []]);
  assert.is(files[0].sha256, sha256(bytes));
});

verify('law: progress counts files and tensors to their total', async () => {
  let last = { bytes: 0, totalBytes: 1 };
  await check(ropeFolder(), {
    onProgress: ({ phase, bytes, totalBytes }) => {
      assert.is(phase, 'verify');
      assert.ok(bytes >= last.bytes);
      last = { bytes, totalBytes };
    },
  });
  assert.is(last.bytes, last.totalBytes);
});

verify('error: a stop, and models that are none of ours', async () => {
  const signal = AbortSignal.abort();
  const stopped = await check(ropeFolder(), { signal }).catch((error) => error);
  assert.is(stopped.code, 'aborted');
  const config = configText(alibi, { architectures: ['LlamaForCausalLM'] });
  const llama = memoryFolder({ 'config.json': config, 'pytorch_model.bin': torch });
  await expectRefusal(() => check(llama), { code: 'config-architecture' });
});

verify('law: no file stays open', async () => {
  for (const bytes of [torch, torch.slice(0, 5000)]) {
    const folder = torchFolder(bytes);
    await check(folder);
    assert.is(folder.openCount(), 0);
  }
});

verify.run();
