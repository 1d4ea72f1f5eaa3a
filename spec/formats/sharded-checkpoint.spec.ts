import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseShardIndex } from '../../src/formats/shard-index.ts';
import { openShards } from '../../src/formats/sharded-checkpoint.ts';
import {
  contentOf,
  float32Entry,
  memoryFolder,
  safetensorsFile,
  utf8,
} from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const sharded = suite('sharded-checkpoint');

const first = safetensorsFile({ __metadata__: { format: 'pt' }, a: float32Entry([2], 0) }, 8);
const second = safetensorsFile({ b: float32Entry([1], 0), c: float32Entry([1], 4) }, 8);
const weightMap = { a: '1.safetensors', b: '2.safetensors', c: '2.safetensors' };

function open(
  files: Record<string, Uint8Array>,
  map: Record<string, string> = weightMap,
  totalSize = 16,
) {
  const text = JSON.stringify({ metadata: { total_size: totalSize }, weight_map: map });
  const folder = memoryFolder(files);
  const index = parseShardIndex(utf8(text), 'index.json');
  const present = new Set(Object.keys(files));
  return { folder, opening: () => openShards(index, { ...folder, present }, 'index.json') };
}

const files = { '1.safetensors': first, '2.safetensors': second };

sharded('law: the tensors of all shards are one checkpoint, each in its own file', async () => {
  const { folder, opening } = open(files);
  const checkpoint = await opening();
  const content = await contentOf(checkpoint);
  assert.equal(Object.keys(content), ['a', 'b', 'c']);
  assert.equal(content.c.bytes, [4, 5, 6, 7]);
  assert.is(checkpoint.tensors.get('c')?.file, 'folder/2.safetensors');
  assert.equal([...checkpoint.metadata], [['format', 'pt']]);
  assert.equal(checkpoint.notices, []);
  assert.is(folder.openCount(), 2);
  await checkpoint.close();
  assert.is(folder.openCount(), 0);
});

sharded('error: IX03 shards that are missing, all of them, and how many are there', async () => {
  const map = Object.fromEntries(
    Array.from({ length: 8 }, (_, index) => [`t${index}`, `${index + 1}.safetensors`]),
  );
  const three = Object.fromEntries(['1', '2', '5'].map((n) => [`${n}.safetensors`, first]));
  const { folder, opening } = open(three, map);
  await expectRefusal(opening, {
    code: 'index-missing-shard',
    file: 'index.json',
    message: [
      '3 of 8 present',
      '3.safetensors, 4.safetensors, 6.safetensors, 7.safetensors, 8.safetensors',
    ],
    fix: 'Download the missing',
  });
  assert.equal(folder.opened, []);
});

sharded('error: IX04 a shard that lacks a tensor of the index, and where that is', async () => {
  const nowhere = open(files, { ...weightMap, d: '1.safetensors' });
  await expectRefusal(nowhere.opening, {
    code: 'index-tensor',
    file: 'index.json',
    where: '/weight_map/d',
    message: ['1.safetensors', 'no shard holds it'],
    fix: 'same revision',
  });
  assert.is(nowhere.folder.openCount(), 0);
  const elsewhere = open(files, { ...weightMap, b: '1.safetensors' });
  const message = 'it is in 2.safetensors';
  await expectRefusal(elsewhere.opening, { code: 'index-tensor', message });
});

sharded('error: IX05 a tensor in two shards, named both', async () => {
  const both = { ...files, '1.safetensors': second, '2.safetensors': second };
  const map = { b: '1.safetensors', c: '2.safetensors' };
  const { folder, opening } = open(both, map);
  const message = ['1.safetensors', '2.safetensors'];
  await expectRefusal(opening, { code: 'index-duplicate', where: 'tensor "b"', message });
  assert.is(folder.openCount(), 0);
});

sharded('law: IX06 another total size makes a notice with both numbers', async () => {
  const { notices } = await open(files, weightMap, 17).opening();
  assert.equal(notices, ['index.json says total_size 17, but the tensors have 16 bytes.']);
});

sharded('law: tensors that the index does not list are there, with a notice', async () => {
  const map = { a: '1.safetensors', b: '2.safetensors' };
  const { tensors, notices } = await open(files, map).opening();
  assert.ok(tensors.has('c'));
  assert.match(notices[0], /1 tensors that the index does not list: "c"/);
});

sharded('error: a broken shard closes the others', async () => {
  const { folder, opening } = open({ ...files, '2.safetensors': second.slice(0, -1) });
  const file = 'folder/2.safetensors';
  await expectRefusal(opening, { code: 'safetensors-truncated', file });
  assert.is(folder.openCount(), 0);
});

sharded.run();
