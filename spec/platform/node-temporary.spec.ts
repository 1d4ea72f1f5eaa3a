import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { leftBeside, temporaryBeside } from '../../src/platform/node-temporary.ts';
import { scratchPath } from '../support/scratch-files.ts';

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

temporary('law: what a killed process left is told, what a living one writes is not', async () => {
  const folder = scratchPath('left');
  mkdirSync(folder);
  const gone = spawnSync(process.execPath, ['--version']).pid;
  const left = [`.baichuan-${gone}-0123456789ab.old`, `.baichuan-${gone}-0123456789ab.tmp`];
  const living = [process.pid, process.ppid].map((pid) => `.baichuan-${pid}-0123456789ab.tmp`);
  const foreign = ['.baichuan-x-0123456789ab.tmp', `.baichuan-${gone}-1.tmp`, 'model.gguf'];
  for (const name of [...left, ...living, ...foreign]) writeFileSync(join(folder, name), '');
  const target = join(folder, 'model');
  assert.equal(
    (await leftBeside(target)).sort(),
    left.map((name) => join(folder, name)),
  );
  assert.equal(await leftBeside(join(folder, 'absent', 'model')), []);
});

temporary.run();
