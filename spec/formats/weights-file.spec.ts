import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openHuggingFaceFolder } from '../../src/formats/hugging-face-folder.ts';
import { openFolder } from '../../src/platform/node.ts';
import {
  contentOf,
  float32Entry,
  memoryFolder,
  safetensorsFile,
  utf8,
} from '../support/model-files.ts';
import type { Code } from '../support/pickle-code.ts';
import { expectRefusal } from '../support/refusal.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';
import { stateDict, tensorCode, torchFile, wholeView } from '../support/torch-file.ts';

const weightsFile = suite('weights-file');

type Files = Record<string, string | Uint8Array>;

const weights = safetensorsFile({ a: float32Entry([1], 0) }, 4);
const base = { 'config.json': '{}', 'model.safetensors': weights };
const index = JSON.stringify({ weight_map: { a: 'part.safetensors' } });
const goldens = new URL('../../fixtures/goldens/', import.meta.url);
const checkpoints = new URL('../../fixtures/checkpoints/', import.meta.url);

const bin = torchFile({
  state: stateDict({ a: tensorCode(wholeView('F32', '0', [1])) }),
  storages: { '0': utf8('abcd') },
}).bytes;
const binIndex = JSON.stringify({ weight_map: { a: 'pytorch_model-00001-of-00001.bin' } });
const binFiles = {
  'config.json': '{}',
  'pytorch_model.bin': bin,
  'pytorch_model.bin.index.json': binIndex,
  'pytorch_model-00001-of-00001.bin': bin,
};

weightsFile('law: pytorch_model.bin, its index, or a named .bin, .pt or .pth is read', async () => {
  const { 'pytorch_model.bin': _, ...sharded } = binFiles;
  const { 'pytorch_model.bin.index.json': __, ...single } = binFiles;
  const expected = { a: { dtype: 'F32', shape: [1], bytes: [97, 98, 99, 100] } };
  for (const [files, weightsName] of [
    [sharded, undefined],
    [single, undefined],
    [sharded, 'pytorch_model-00001-of-00001.bin'],
    [{ 'config.json': '{}', 'x.pth': bin }, 'x.pth'],
    [{ 'config.json': '{}', 'x.PT': bin }, 'x.PT'],
  ] as [Files, string | undefined][]) {
    const folder = memoryFolder(files);
    const { checkpoint, notices } = await openHuggingFaceFolder(folder, { weights: weightsName });
    assert.equal(await contentOf(checkpoint), expected);
    assert.equal(notices.length, 0, String(notices));
    await checkpoint.close();
    assert.is(folder.openCount(), 0);
  }
});

weightsFile('law: IX07 of all weights safetensors come first, then the single file', async () => {
  const shards = { 'model.safetensors.index.json': index };
  for (const [files, read] of [
    [{ ...base, ...shards, ...binFiles }, 'model.safetensors'],
    [{ ...binFiles, ...shards, 'part.safetensors': weights }, 'model.safetensors.index.json'],
    [binFiles, 'pytorch_model.bin'],
  ] as [Files, string][]) {
    const { notices, checkpoint } = await openHuggingFaceFolder(memoryFolder(files));
    assert.match(notices[0], `${read} is read.`);
    assert.is(checkpoint.tensors.size, 1);
  }
});

weightsFile(
  'error: a file that is another inside than its name says, in no other reader',
  async () => {
    const opening = (name: string, content: Uint8Array) => () =>
      openHuggingFaceFolder(memoryFolder({ 'config.json': '{}', [name]: content }));
    const magic = { code: 'io-magic', file: 'folder/pytorch_model.bin' } as const;
    await expectRefusal(opening('pytorch_model.bin', weights), { ...magic, found: 'safetensors' });
    const zip = { code: 'io-magic', file: 'folder/model.safetensors', found: 'zip' } as const;
    await expectRefusal(opening('model.safetensors', bin), zip);
  },
);

for (const [name, golden, dtype] of [
  ['rope-4heads-bin-f32', 'rope-4heads', 'F32'],
  ['alibi-5heads-bin-bf16', 'alibi-5heads', 'BF16'],
  ['alibi-5heads-bin-f16', 'alibi-5heads', 'F16'],
]) {
  weightsFile(`golden: ${name} holds every tensor of ${golden}, in ${dtype}`, async () => {
    const folder = openFolder(fileURLToPath(new URL(`${name}/`, checkpoints)));
    const { checkpoint, notices } = await openHuggingFaceFolder(folder);
    assert.equal(notices, []);
    const expected = readSafetensors(new URL(`${golden}/model.safetensors`, goldens));
    for (const [tensorName, { shape }] of expected) {
      const tensor = checkpoint.tensors.get(tensorName);
      assert.equal([tensor?.dtype, tensor?.shape], [dtype, shape], tensorName);
    }
    const others = [...checkpoint.tensors.keys()].filter((each) => !expected.has(each));
    assert.ok(others.every((each) => each.endsWith('rotary_emb.inv_freq')));
    await checkpoint.close();
  });
}

weightsFile('golden: the published int8 layout, by its folder and in two shards', async () => {
  const path = new URL('alibi-5heads-published-int8/', checkpoints);
  const { checkpoint } = await openHuggingFaceFolder(openFolder(fileURLToPath(path)));
  const int8 = [...checkpoint.tensors.values()].filter(({ dtype }) => dtype === 'I8');
  assert.is(int8.length, 15);
  for (const { shape, channelScales } of int8) assert.equal(channelScales?.shape, [shape[0]]);
  await checkpoint.close();
  // Weight and scale may lie in different shards.
  const view = { ...wholeView('I8', '0', [2, 3]), strides: [1, 2] };
  const shard = (tensor: string, code: Code, bytes: Uint8Array) =>
    torchFile({ state: stateDict({ [tensor]: code }), storages: { '0': bytes } }).bytes;
  const folder = memoryFolder({
    'config.json': '{}',
    'pytorch_model.bin.index.json': JSON.stringify({
      weight_map: { 'a.weight': '1.bin', 'a.scale': '2.bin' },
    }),
    '1.bin': shard('a.weight', tensorCode(view), utf8('abcdef')),
    '2.bin': shard('a.scale', tensorCode(wholeView('F32', '0', [3])), utf8('123412341234')),
  });
  const joined = (await openHuggingFaceFolder(folder)).checkpoint.tensors;
  assert.equal([...joined.keys()], ['a.weight']);
  assert.equal(joined.get('a.weight')?.shape, [3, 2]);
  assert.is(joined.get('a.weight')?.channelScales?.file, 'folder/2.bin');
});

weightsFile('error: scales that do not fit close every shard', async () => {
  const state = stateDict({
    'a.weight': tensorCode(wholeView('I8', '0', [2, 2])),
    'a.scale': tensorCode(wholeView('I8', '0', [2, 2])),
  });
  const file = torchFile({ state, storages: { '0': utf8('abcd') } }).bytes;
  const folder = memoryFolder({ 'config.json': '{}', 'pytorch_model.bin': file });
  await expectRefusal(() => openHuggingFaceFolder(folder), { code: 'torch-int8' });
  assert.is(folder.openCount(), 0);
});

weightsFile.run();
