import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { openHuggingFaceFolder } from '../../src/formats/hugging-face-folder.ts';
import { parseShardIndex } from '../../src/formats/shard-index.ts';
import { memoryFolder, utf8 } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const shardIndex = suite('shard-index');

const FILE = 'model.safetensors.index.json';
const parse = (text: string) => parseShardIndex(utf8(text), FILE);

shardIndex('law: the map, its shards in order, and the total size are those of the file', () => {
  const text =
    '{"metadata":{"total_size":12},' +
    '"weight_map":{"a":"2.safetensors","b":"1.safetensors","c":"2.safetensors"}}';
  const { weightMap, shards, totalSize } = parse(text);
  assert.equal([...weightMap.keys()], ['a', 'b', 'c']);
  assert.equal(shards, ['2.safetensors', '1.safetensors']);
  assert.is(totalSize, 12);
});

shardIndex('law: a total size written as a float counts, anything else is as if absent', () => {
  const withSize = (metadata: string) =>
    parse(`{"metadata":${metadata},"weight_map":{"a":"x.safetensors"}}`).totalSize;
  assert.is(withSize('{"total_size":12.0}'), 12);
  for (const metadata of ['{}', '{"total_size":"12"}', 'null', '7']) {
    assert.is(withSize(metadata), undefined);
  }
});

shardIndex('error: IX01 a shard that is a path, before anything is opened', async () => {
  const paths = [
    ...['../../etc/passwd', '/etc/passwd', 'C:\\x', '\\\\server\\share', 'a/b', './a'],
    ...['https://example.org/x', 'file:x', 'a\u0000b', '..', '.', '', '.hidden', '-rf', 'a b'],
    ...['x'.repeat(256), '世.safetensors', 'a\n'],
  ];
  for (const path of paths) {
    const weightMap = { good: 'model-1.safetensors', bad: path };
    const folder = memoryFolder({
      'config.json': '{}',
      [FILE]: JSON.stringify({ weight_map: weightMap }),
      'model-1.safetensors': '',
    });
    await expectRefusal(() => openHuggingFaceFolder(folder), {
      code: 'index-path',
      where: '/weight_map/bad',
      file: `folder/${FILE}`,
      message: 'nothing was opened',
      fix: 'Do not use',
    });
    const twice = ['config.json', FILE, 'config.json', FILE];
    assert.equal(folder.opened, twice, 'a shard was opened');
    assert.is(folder.openCount(), 0);
  }
});

shardIndex('error: an index without a map, with an empty one, or of other types', async () => {
  const bad: [text: string, where: string][] = [
    ['{}', '/weight_map'],
    ['{"weight_map":{}}', '/weight_map'],
    ['{"weight_map":[]}', '/weight_map'],
    ['{"weight_map":{"a":7}}', '/weight_map/a'],
    ['{"weight_map":{"a":null}}', '/weight_map/a'],
    ['[]', 'the whole file'],
  ];
  for (const [text, where] of bad) {
    await expectRefusal(() => parse(text), { code: 'index-field', where, file: FILE });
  }
  const twice = '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}';
  await expectRefusal(() => parse(twice), { code: 'json-duplicate-key', where: '/weight_map/a' });
  await expectRefusal(() => parse(''), { code: 'json-syntax', file: FILE });
  await expectRefusal(() => parse('<html>'), { code: 'io-html', file: FILE });
});

shardIndex('law: any index gives only names of files in its folder, or fails by name', () => {
  const shard = fc.oneof(
    fc.constantFrom('model-1.safetensors', 'a', '../a', '__proto__', 'x'.repeat(255)),
    fc.string({ maxLength: 5 }),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const weightMap = fc.dictionary(fc.string({ maxLength: 4 }), shard, { maxKeys: 4 });
  const index = fc.oneof(fc.record({ weight_map: weightMap }), fc.jsonValue({ maxDepth: 2 }));
  fc.assert(
    fc.property(index, (value) => {
      try {
        const { shards } = parse(JSON.stringify(value));
        assert.ok(shards.length > 0 && shards.every((name) => /^[\w][\w.-]*$/.test(name)));
      } catch (error) {
        assert.instance(error, BaichuanError);
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});

shardIndex.run();
