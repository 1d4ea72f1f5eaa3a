import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  openHuggingFaceFolder,
  readFolderTokenizer,
} from '../../src/formats/hugging-face-folder.ts';
import { openFolder } from '../../src/platform/node.ts';
import { contentOf, float32Entry, memoryFolder, safetensorsFile } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';

const huggingFace = suite('hugging-face-folder');

const weights = safetensorsFile({ a: float32Entry([10_000], 0) }, 40_000);
const base = { 'config.json': '{"x":1}', 'model.safetensors': weights };
const index = JSON.stringify({ weight_map: { a: 'part.safetensors' } });
const goldens = new URL('../../fixtures/goldens/', import.meta.url);
const checkpoints = new URL('../../fixtures/checkpoints/', import.meta.url);

huggingFace('law: a folder gives its configuration, weights and tokenizer', async () => {
  const files = { ...base, 'generation_config.json': '{"y":2}', 'tokenizer.model': 'pieces' };
  const folder = memoryFolder(files);
  const model = await openHuggingFaceFolder(folder);
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  assert.is(text(model.config), '{"x":1}');
  assert.is(text(model.generationConfig), '{"y":2}');
  assert.equal([...model.checkpoint.tensors.keys()], ['a']);
  assert.is(text(await model.requireTokenizer()), 'pieces');
  assert.is(text(await readFolderTokenizer(folder)), 'pieces');
  assert.equal(model.notices, []);
  assert.is(folder.openCount(), 1);
  await model.checkpoint.close();
  assert.is(folder.openCount(), 0);
});

huggingFace('law: opening reads no data of a tensor, and no tokenizer', async () => {
  const folder = memoryFolder({ ...base, 'tokenizer.model': 'pieces' });
  await openHuggingFaceFolder(folder);
  assert.equal(folder.opened, ['config.json', 'model.safetensors']);
  for (const read of folder.reads) assert.not.match(read, /model\.safetensors:(?!0\+512|8\+)/);
});

huggingFace('golden: shards written by PyTorch hold what a second reader finds', async () => {
  const path = new URL('rope-4heads-safetensors-bf16/', checkpoints);
  const folder = openFolder(fileURLToPath(path));
  const { checkpoint, notices, hasTokenizer } = await openHuggingFaceFolder(folder);
  assert.equal([notices.length, hasTokenizer], [0, false]);
  let count = 0;
  for (const name of ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']) {
    for (const [tensorName, { dtype, shape, values }] of readSafetensors(new URL(name, path))) {
      const tensor = checkpoint.tensors.get(tensorName);
      assert.ok(tensor);
      assert.equal([tensor.dtype, tensor.shape], [dtype, shape]);
      const bytes = await tensor.read(0, tensor.byteLength);
      const bits = [...new Uint32Array(Float32Array.from(values).buffer)];
      // A bfloat16 is the upper half of a float32.
      const found =
        dtype === 'BF16' ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
      assert.equal([...found], dtype === 'BF16' ? bits.map((word) => word >>> 16) : bits);
      count += 1;
    }
  }
  assert.is(checkpoint.tensors.size, count);
  await checkpoint.close();
});

huggingFace('law: one weights file can be named, with its configuration beside it', async () => {
  const folder = openFolder(fileURLToPath(new URL('rope-4heads/', goldens)));
  const named = await openHuggingFaceFolder(folder, { weights: 'model.safetensors' });
  const usual = await openHuggingFaceFolder(folder);
  assert.equal(await contentOf(named.checkpoint), await contentOf(usual.checkpoint));
  const part = { ...base, 'part.safetensors': safetensorsFile({ b: float32Entry([1], 0) }, 4) };
  const options = { weights: 'part.safetensors' };
  const { checkpoint } = await openHuggingFaceFolder(memoryFolder(part), options);
  assert.equal([...checkpoint.tensors.keys()], ['b']);
  await named.checkpoint.close();
  await usual.checkpoint.close();
});

huggingFace('law: IX07 safetensors are read where .bin are too, and a notice says so', async () => {
  const files = { ...base, 'pytorch_model-00001-of-00002.bin': 'never opened' };
  const folder = memoryFolder(files);
  const { notices } = await openHuggingFaceFolder(folder);
  assert.equal(notices, ['The folder has .bin and .safetensors; model.safetensors is read.']);
  assert.not.ok(folder.opened.some((name) => name.endsWith('.bin')));
});

huggingFace(
  'law: model.safetensors is read where an index is too, and a notice says so',
  async () => {
    const folder = memoryFolder({ ...base, 'model.safetensors.index.json': index });
    const { notices } = await openHuggingFaceFolder(folder);
    assert.match(notices[0], /model\.safetensors is read/);
  },
);

huggingFace('error: IX09 a folder without config.json', async () => {
  const folder = memoryFolder({ 'model.safetensors': weights });
  await expectRefusal(() => openHuggingFaceFolder(folder), {
    code: 'directory-missing',
    file: 'folder',
    where: 'config.json',
    message: 'no config.json',
    fix: 'baichuan-inc/Baichuan-13B-Base',
  });
  assert.equal(folder.opened, []);
});

huggingFace('error: IX09 no tokenizer.model is an error only where text is needed', async () => {
  const model = await openHuggingFaceFolder(memoryFolder(base));
  assert.is(model.hasTokenizer, false);
  await expectRefusal(() => model.requireTokenizer(), {
    code: 'directory-missing',
    where: 'tokenizer.model',
    message: 'tokenizer.model',
    fix: 'Copy it there',
  });
});

huggingFace('error: a folder without weights, or with weights of another kind', async () => {
  const config = { 'config.json': '{}' };
  const opening = (files: Record<string, string>) => () =>
    openHuggingFaceFolder(memoryFolder({ ...config, ...files }));
  const missing = { code: 'directory-missing', where: 'model.safetensors' } as const;
  await expectRefusal(opening({}), missing);
  await expectRefusal(opening({ 'model.gguf': '' }), {
    code: 'format-unsupported',
    where: 'model.gguf',
    message: 'a GGUF file is a model of its own',
    fix: 'Name the .gguf file itself',
  });
  for (const name of ['pytorch_model-00001-of-00002.bin', 'consolidated.00.pth']) {
    await expectRefusal(opening({ [name]: '' }), {
      code: 'directory-missing',
      where: 'pytorch_model.bin.index.json',
      message: name,
      fix: 'name the one weights file',
    });
  }
  await expectRefusal(opening({ 'training_args.bin': '' }), missing);
  const lone = opening({ 'model-00001-of-00002.safetensors': '' });
  const where = 'model.safetensors.index.json';
  await expectRefusal(lone, { code: 'directory-missing', where, message: 'model-00001-of-00002' });
});

huggingFace('error: a named weights file that is missing, or of another kind', async () => {
  const opening = (weightsName: string) => () =>
    openHuggingFaceFolder(memoryFolder({ ...base, 'x.gguf': '' }), { weights: weightsName });
  const missing = { code: 'directory-missing', where: 'other.safetensors' } as const;
  await expectRefusal(opening('other.safetensors'), missing);
  await expectRefusal(opening('x.gguf'), { code: 'format-unsupported', where: 'x.gguf' });
  const lone = (options?: { weights: string }) => () =>
    openHuggingFaceFolder(memoryFolder({ 'x.gguf': '' }), options);
  for (const action of [lone(), lone({ weights: 'x.gguf' })]) {
    await expectRefusal(action, { code: 'format-unsupported', where: 'x.gguf' });
  }
});

huggingFace(
  'error: a named file that is no model is told as that, config.json or not',
  async () => {
    for (const files of [base, {}]) {
      for (const [name, content, message] of [
        ['make.py', 'import torch', 'this file is no model'],
        ['words.model', 'pieces', 'this file is no model'],
        ['empty', '', 'this file is no model'],
        ['blob', 'GGUF\u0003\u0000\u0000\u0000', 'a GGUF file, but its name does not end as'],
        ['archive.ckpt', 'PK\u0003\u0004', 'a zip file, but its name'],
      ]) {
        const folder = memoryFolder({ ...files, [name]: content });
        const fix = 'Give the folder of a model, or a file that ends in .gguf, .safetensors';
        await expectRefusal(() => openHuggingFaceFolder(folder, { weights: name }), {
          ...{ code: 'io-magic', file: `folder/${name}`, message, fix },
        });
        assert.is(folder.openCount(), 0);
      }
    }
    const page = memoryFolder({ ...base, saved: '<!DOCTYPE html><html>' });
    const opening = () => openHuggingFaceFolder(page, { weights: 'saved' });
    await expectRefusal(opening, { code: 'io-html', file: 'folder/saved' });
  },
);

huggingFace('law: safetensors are read whatever their name, as the blobs of a cache', async () => {
  const folder = memoryFolder({ 'config.json': '{}', '4f2c': weights });
  const { checkpoint } = await openHuggingFaceFolder(folder, { weights: '4f2c' });
  assert.equal([...checkpoint.tensors.keys()], ['a']);
  await checkpoint.close();
});

huggingFace('error: where a file that was named means a folder without a model', async () => {
  const folder = memoryFolder({ 'tokenizer.model': 't', 'model.safetensors': weights });
  await expectRefusal(() => openHuggingFaceFolder(folder, { named: 'tokenizer.model' }), {
    code: 'directory-missing',
    where: 'config.json',
    message: '"tokenizer.model" is no model by itself',
    fix: 'Give the folder of a model',
  });
});

huggingFace('error: JSON or tokenizer files larger than any, before they are read', async () => {
  const large = new Uint8Array(2 ** 20 + 1).fill(0x20);
  const config = memoryFolder({ ...base, 'config.json': large });
  const expected = { file: 'folder/config.json', expected: 2 ** 20 };
  await expectRefusal(() => openHuggingFaceFolder(config), { code: 'json-size', ...expected });
  assert.equal([config.reads.length, config.openCount()], [0, 0]);
  const tokenizer = memoryFolder({ 'tokenizer.model': new Uint8Array(2 ** 26 + 1) });
  const reading = () => readFolderTokenizer(tokenizer);
  await expectRefusal(reading, { code: 'tokenizer-limit', expected: 2 ** 26 });
});

huggingFace.run();
