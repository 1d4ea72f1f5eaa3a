import { dirname } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryBeside } from '../../src/platform/node-temporary.ts';

const temporary = suite('node-temporary');

type Module = typeof import('../../src/platform/node-temporary.ts');

temporary('law: a later process of the same number takes other names', async () => {
  const { href } = new URL('../../src/platform/node-temporary.ts?later', import.meta.url);
  const later = (await import(href)) as Module;
  const names = [1, 2, 3].flatMap(() => [
    temporaryBeside('/folder/model.gguf'),
    later.temporaryBeside('/folder/model.gguf'),
  ]);
  assert.is(new Set(names).size, names.length);
  assert.ok(names.every((name) => dirname(name) === '/folder' && name.endsWith('.tmp')));
});

temporary.run();
