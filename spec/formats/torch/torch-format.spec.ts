import { suite } from 'uvu';
import type { ByteSource } from '../../../src/formats/byte-source.ts';
import { openTorch } from '../../../src/formats/torch/torch.ts';
import { float32Entry, joinBytes, safetensorsFile, utf8 } from '../../support/model-files.ts';
import { code, pickle } from '../../support/pickle-code.ts';
import type { ExpectedRefusal } from '../../support/refusal.ts';
import { refuseFile } from '../../support/refuse-file.ts';
import { torchFile } from '../../support/torch-file.ts';
import { zipFile } from '../../support/zip-file.ts';

const format = suite('torch/torch-format');

const open = (source: ByteSource, blockBytes?: number) => openTorch(source, { blockBytes });
const refuse = (bytes: Uint8Array, expected: ExpectedRefusal) => refuseFile(open, bytes, expected);

const magic = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const legacy = joinBytes(code(0x80, 2, 0x8a, 10, ...magic, '.'), new Uint8Array(600));

format('error: PT01 the legacy format of PyTorch, by name', async () => {
  await refuse(legacy, {
    code: 'torch-format',
    where: 'byte 0',
    message: 'legacy format',
    fix: 'PyTorch 1.6 or later',
  });
});

format('error: PT01 the tar format of PyTorch 0.1', async () => {
  const tar = new Uint8Array(1024);
  tar.set(utf8('storages'));
  tar.set(utf8('ustar\u000000'), 257);
  await refuse(tar, { code: 'torch-format', message: 'tar file' });
});

format('error: PT01 files of other kinds, whatever their name', async () => {
  const header = { a: float32Entry([1], 0) };
  for (const [bytes, found] of [
    [code(0x1f, 0x8b, 8, new Uint8Array(60)), 'gzip'],
    [code(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c, new Uint8Array(60)), '7z'],
    [utf8('GGUF\u0003\u0000\u0000\u0000'), 'GGUF'],
    [pickle({ dict: [] }).bytes, 'pickle'],
    [safetensorsFile(header, 4), 'safetensors'],
  ] as [Uint8Array, string][]) {
    // A zip file at its end would make it another file to another program.
    const both = joinBytes(bytes, torchFile({ state: { dict: [] } }).bytes);
    for (const content of found === 'safetensors' ? [bytes] : [bytes, both]) {
      await refuse(content, { code: 'io-magic', message: `${found} file`, found });
    }
  }
});

format('error: PT01 Git LFS pointers, web pages, nothing, and unknown bytes', async () => {
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:12ab\nsize 9976576152\n';
  await refuse(utf8(pointer), { code: 'io-lfs', message: '9976576152', fix: 'git lfs pull' });
  await refuse(utf8('<!doctype html><html>'), { code: 'io-html' });
  await refuse(utf8('Entry not found'), { code: 'io-html' });
  await refuse(new Uint8Array(0), { code: 'io-magic', message: 'empty' });
  await refuse(new Uint8Array(100), { code: 'torch-format', message: 'no zip file' });
  await refuse(utf8('PK'), { code: 'torch-format' });
});

format('error: a TorchScript archive, by name, even where its code is compressed', async () => {
  for (const name of ['m/constants.pkl', 'm/code/__torch__.py']) {
    const parts = ['m/data.pkl', name].map((each) => ({ name: each, data: utf8('x') }));
    const file = zipFile(parts);
    file.bytes[file.places.central[1] + 10] = 8;
    await refuse(file.bytes, {
      code: 'torch-format',
      message: 'TorchScript',
      fix: 'torch.jit.load(FILE).state_dict()',
    });
  }
});

format('error: PT12 no data.pkl, two of them, or one at another place', async () => {
  const refuseNames = (names: string[], found: number) =>
    refuse(zipFile(names.map((name) => ({ name, data: utf8('x') }))).bytes, {
      code: 'torch-pickle',
      message: `${found} entries data.pkl`,
      found,
    });
  await refuseNames(['word/document.xml'], 0);
  await refuseNames(['a/data.pkl.bak', 'a/xdata.pkl'], 0);
  await refuseNames(['a/data.pkl', 'b/data.pkl'], 2);
  await refuseNames(['a/data.pkl', 'a/b/data.pkl'], 2);
  await refuseNames(['data.pkl'], 1);
  await refuseNames(['a/b/data.pkl'], 1);
  await refuseNames(['a/data.pkl', 'data.pkl'], 2);
});

format.run();
