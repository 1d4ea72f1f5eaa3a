import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openHuggingFaceFolder } from '../../src/formats/hugging-face-folder.ts';
import { locateHttpModel } from '../../src/platform/http-folder.ts';
import { locateModel, openFolder } from '../../src/platform/node-folder.ts';
import { float32Entry, safetensorsFile } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { scratchPath } from '../support/scratch-files.ts';

const nodeFolder = suite('node-folder');

const weights = safetensorsFile({ a: float32Entry([1], 0) }, 4);

function folderWith(files: Record<string, Uint8Array | string>, path = scratchPath('model')) {
  mkdirSync(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

/** A cache of Hugging Face with one model, whose snapshot links into `blobs`. */
function cacheWith(target: (cache: string) => string) {
  const cache = scratchPath('hub');
  const model = join(cache, 'models--baichuan-inc--Baichuan-13B-Base');
  const snapshot = folderWith({ 'config.json': '{}' }, join(model, 'snapshots', '0ef07'));
  folderWith({ '4f2c': weights }, join(model, 'blobs'));
  folderWith({ '4f2c': weights }, join(cache, 'models--other--model', 'blobs'));
  symlinkSync(target(cache), join(snapshot, 'model.safetensors'));
  return snapshot;
}

nodeFolder('law: a folder lists its names and opens its files', async () => {
  const folder = openFolder(folderWith({ 'config.json': '{}', 权重: 'x' }));
  assert.equal((await folder.list()).sort(), ['config.json', '权重']);
  const source = await folder.open('权重');
  assert.equal([...(await source.read(0, 1))], [0x78]);
  assert.is(source.name, join(folder.name, '权重'));
  await source.close();
});

nodeFolder('law: IX02 the links of the Hugging Face cache are followed', async () => {
  const snapshot = cacheWith(() => '../../blobs/4f2c');
  const { checkpoint } = await openHuggingFaceFolder(openFolder(snapshot));
  assert.equal([...checkpoint.tensors.keys()], ['a']);
  await checkpoint.close();
  const linked = scratchPath('link');
  symlinkSync(snapshot, linked);
  const source = await openFolder(linked).open('model.safetensors');
  assert.is(source.size, weights.length);
  await source.close();
});

nodeFolder('law: a link inside the folder is followed', async () => {
  const path = folderWith({ 'real.safetensors': weights });
  folderWith({ '..name': weights }, path);
  symlinkSync('real.safetensors', join(path, 'model.safetensors'));
  symlinkSync('..name', join(path, 'dots.safetensors'));
  for (const name of ['model.safetensors', 'dots.safetensors']) {
    const source = await openFolder(path).open(name);
    assert.is(source.size, weights.length);
    await source.close();
  }
});

nodeFolder(
  'law: IX02 of nested model folders of a cache, the innermost has the blobs',
  async () => {
    const outer = join(scratchPath('hub'), 'models--outer--folder');
    const model = join(outer, 'models--inner--model');
    const snapshot = folderWith({}, join(model, 'snapshots', '1'));
    folderWith({ '4f2c': weights }, join(model, 'blobs'));
    folderWith({ '4f2c': weights }, join(outer, 'blobs'));
    symlinkSync(join(model, 'blobs', '4f2c'), join(snapshot, 'inner.safetensors'));
    symlinkSync(join(outer, 'blobs', '4f2c'), join(snapshot, 'outer.safetensors'));
    const source = await openFolder(snapshot).open('inner.safetensors');
    assert.is(source.size, weights.length);
    await source.close();
    const open = () => openFolder(snapshot).open('outer.safetensors');
    await expectRefusal(open, { code: 'index-symlink', fix: 'Put the file itself' });
  },
);

nodeFolder('law: a slash at the end of a path is not shown, and the root keeps its own', () => {
  assert.is(openFolder('models/13b///').name, 'models/13b');
  assert.is(openFolder('models/13b').name, 'models/13b');
  assert.is(openFolder('/').name, '/');
});

nodeFolder('error: IX02 a link out of the folder, or into another model of the cache', async () => {
  const outside = folderWith({ 'secret.safetensors': weights });
  const path = folderWith({ 'config.json': '{}' });
  symlinkSync(join(outside, 'secret.safetensors'), join(path, 'model.safetensors'));
  const refuse = (folder: string) =>
    expectRefusal(() => openFolder(folder).open('model.safetensors'), {
      code: 'index-symlink',
      file: join(folder, 'model.safetensors'),
      message: 'was not opened',
      fix: 'Put the file itself',
    });
  await refuse(path);
  await refuse(cacheWith((cache) => join(cache, 'models--other--model/blobs/4f2c')));
  await refuse(cacheWith(() => join(outside, 'secret.safetensors')));
  const sibling = `${path}-sibling`;
  folderWith({ 'x.safetensors': weights }, sibling);
  const neighbour = folderWith({}, path.slice(0, -1));
  symlinkSync(join(path, 'config.json'), join(neighbour, 'model.safetensors'));
  await refuse(neighbour);
});

nodeFolder('error: a link that leads nowhere, or to itself', async () => {
  const path = folderWith({});
  symlinkSync('absent', join(path, 'dangling'));
  symlinkSync('loop', join(path, 'loop'));
  const open = (name: string) => () => openFolder(path).open(name);
  await expectRefusal(open('dangling'), { code: 'io-not-found', found: 'ENOENT' });
  await expectRefusal(open('loop'), { code: 'io-failed', found: 'ELOOP' });
});

nodeFolder('error: IX01 a name that is a path, by the folder itself too', async () => {
  const path = folderWith({ 'config.json': '{}' });
  for (const name of ['../x', '/etc/passwd', 'a/b', 'a\\b', '..', '.', '', 'a\u0000']) {
    const action = () => openFolder(path).open(name);
    await expectRefusal(action, { code: 'index-path', message: 'nothing was opened' });
  }
});

nodeFolder('error: a folder that is missing, or is a file', async () => {
  const missing = scratchPath('absent');
  const list = (path: string) => () => openFolder(path).list();
  await expectRefusal(list(missing), { code: 'io-not-found', file: missing, found: 'ENOENT' });
  const file = join(folderWith({ x: '' }), 'x');
  await expectRefusal(list(file), { code: 'io-not-found', found: 'ENOTDIR' });
});

nodeFolder('law: a model is named by its folder, or by its weights file, link or not', async () => {
  const path = folderWith({ 'config.json': '{}', 'w.safetensors': weights });
  assert.is((await locateModel(path)).weights, undefined);
  const elsewhere = folderWith({ 'config.json': '{}' });
  symlinkSync(join(path, 'w.safetensors'), join(elsewhere, 'link.safetensors'));
  for (const file of [join(path, 'w.safetensors'), join(elsewhere, 'link.safetensors')]) {
    const { folder, weights: name } = await locateModel(file);
    const { checkpoint } = await openHuggingFaceFolder(folder, { weights: name });
    assert.equal([...checkpoint.tensors.keys()], ['a']);
    await checkpoint.close();
  }
  const absent = scratchPath('absent');
  await expectRefusal(() => locateModel(absent), { code: 'io-not-found', file: absent });
});

nodeFolder('law: a file that holds no weights means its folder, as on a server', async () => {
  const path = folderWith({ 'config.json': '{}', 'tokenizer.model': 't', 'words.model': 't' });
  folderWith({ 'generation_config.json': '{}', 'model.safetensors.index.json': '{}' }, path);
  for (const [file, weights] of [
    ['config.json', undefined],
    ['generation_config.json', undefined],
    ['tokenizer.model', undefined],
    ['words.model', 'words.model'],
    ['model.safetensors.index.json', 'model.safetensors.index.json'],
  ] as const) {
    const local = await locateModel(join(path, file));
    assert.equal([local.weights, local.named], [weights, file]);
    const remote = locateHttpModel(`https://a.example/${file}`);
    assert.equal([remote.weights, remote.named], [weights, file]);
  }
});

nodeFolder('error: IX10 a device or a pipe is told as one, before its folder is', async () => {
  const pipe = join(folderWith({ 'config.json': '{}' }), 'model.safetensors');
  execFileSync('mkfifo', [pipe]);
  for (const [path, found] of [
    ['/dev/zero', 'a device'],
    [pipe, 'a pipe'],
  ]) {
    await expectRefusal(() => locateModel(path), { code: 'io-not-a-file', file: path, found });
  }
});

nodeFolder.run();
