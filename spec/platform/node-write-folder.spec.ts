import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fileSystem from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectFree, expectNoInput, expectSpace } from '../../src/platform/node-output.ts';
import { type CreateFolderOptions, createFolder } from '../../src/platform/node-write-folder.ts';
import { failingFileSystem } from '../support/failing-file-system.ts';
import { utf8 } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { scratchPath } from '../support/scratch-files.ts';

const writeFolder = suite('node-write-folder');

/** A path in a folder of its own, to see what else is left there. */
function target(): string {
  const folder = scratchPath('out');
  mkdirSync(folder);
  return join(folder, 'model');
}

/** What is in the folder of a target and in the target, as text by name. */
function content(path: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(dirname(path), { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[file.slice(dirname(path).length + 1)] = readFileSync(file, 'utf8');
    else if (entry.parentPath === dirname(path) && entry.name !== basename(path)) {
      found[entry.name] = '(folder)';
    }
  }
  return found;
}

function oldModel(path: string): void {
  mkdirSync(path);
  writeFileSync(join(path, 'a.txt'), 'old a');
  writeFileSync(join(path, 'c.txt'), 'old c');
}

const OLD = { 'model/a.txt': 'old a', 'model/c.txt': 'old c' };
const NEW = { 'model/a.txt': 'one two', 'model/b.txt': 'three' };

async function writeTwoFiles(path: string, options: CreateFolderOptions = {}): Promise<void> {
  const folder = await createFolder(path, options);
  const first = await folder.create('a.txt');
  await first.write(utf8('one '));
  await first.write(utf8('two'));
  await first.finish();
  const second = await folder.create('b.txt');
  await second.write(utf8('three'));
  await second.finish();
  await folder.commit();
}

const replaces = (name: string) => name.endsWith('.txt');

writeFolder('law: a folder appears whole with commit, and nothing stays beside it', async () => {
  for (const ending of ['', '/']) {
    const path = target();
    const folder = await createFolder(path + ending);
    const file = await folder.create('a.txt');
    await file.write(utf8('one two'));
    await file.finish();
    assert.not.ok(readdirSync(dirname(path)).includes('model'));
    const other = await folder.create('b.txt');
    await other.write(utf8('three'));
    await other.finish();
    await folder.commit();
    await folder.abort();
    assert.equal(content(path), NEW);
  }
});

writeFolder(
  'law: an empty folder is filled, a full one replaced only where it may be',
  async () => {
    const path = target();
    mkdirSync(path);
    await writeTwoFiles(path);
    assert.equal(content(path), NEW);
    const other = target();
    oldModel(other);
    await writeTwoFiles(other, { replaces });
    assert.equal(content(other), NEW);
  },
);

writeFolder('law: a link keeps pointing to the folder that is written', async () => {
  const path = target();
  oldModel(path);
  const link = join(dirname(path), 'link');
  symlinkSync(path, link);
  await writeTwoFiles(link, { replaces });
  assert.is(readFileSync(join(path, 'b.txt'), 'utf8'), 'three');
  assert.equal(readdirSync(dirname(path)).sort(), ['link', 'model']);
});

writeFolder('law: a link that leads to nothing yet is followed', async () => {
  const path = target();
  const link = join(dirname(path), 'link');
  symlinkSync('model', link);
  await writeTwoFiles(link);
  assert.is(readFileSync(join(path, 'b.txt'), 'utf8'), 'three');
  assert.equal(readdirSync(dirname(path)).sort(), ['link', 'model']);
});

writeFolder(
  'law: the order is write, sync, sync the folder, rename, sync the one above',
  async () => {
    const file = 'open file, write, write, sync file, open file, write, sync file';
    const { calls, wrapped } = failingFileSystem();
    await writeTwoFiles(target(), { fileSystem: wrapped });
    const end = 'open folder, sync folder, rename, open folder, sync folder';
    assert.is(calls.join(', '), `mkdir, ${file}, ${end}`);
    const replacing = failingFileSystem();
    const path = target();
    oldModel(path);
    await writeTwoFiles(path, { fileSystem: replacing.wrapped, replaces });
    const swap = 'open folder, sync folder, rename, rename, open folder, sync folder';
    assert.is(replacing.calls.join(', '), `mkdir, ${file}, ${swap}`);
  },
);

writeFolder('error: a fault at any call leaves the old state and nothing else', async () => {
  for (const [errno, code] of [
    ['ENOSPC', 'io-no-space'],
    ['EIO', 'io-failed'],
    ['EACCES', 'io-failed'],
  ] as const) {
    for (const isThere of [false, true]) {
      const path = target();
      if (isThere) oldModel(path);
      const { calls, wrapped } = failingFileSystem();
      const trial = target();
      if (isThere) oldModel(trial);
      await writeTwoFiles(trial, { fileSystem: wrapped, replaces });
      // A folder that cannot be synced is none the worse; all other calls count.
      const steps = calls.flatMap((name, index) => (/ folder$/.test(name) ? [] : [index]));
      for (const failAt of steps) {
        const fault = () =>
          writeTwoFiles(path, { fileSystem: failingFileSystem(failAt, errno).wrapped, replaces });
        const message = /model/;
        await expectRefusal(fault, { code, found: errno, message });
        assert.equal(content(path), isThere ? OLD : {}, `${errno} at ${calls[failAt]}`);
      }
    }
  }
});

writeFolder('error: a stop leaves the old state and nothing else', async () => {
  const path = target();
  oldModel(path);
  const folder = await createFolder(path, { replaces });
  const file = await folder.create('a.txt');
  await file.write(utf8('one'));
  await folder.abort();
  await folder.abort();
  assert.equal(content(path), OLD);
  for (const late of [() => file.write(utf8('two')), () => file.finish(), () => folder.commit()]) {
    await expectRefusal(late, { code: 'io-closed', message: 'model' });
  }
});

writeFolder('error: what may not be replaced', async () => {
  const path = target();
  oldModel(path);
  await expectRefusal(() => createFolder(path), { code: 'io-exists', fix: '--force', file: path });
  writeFileSync(join(path, 'thesis.doc'), 'years of work');
  await expectRefusal(() => createFolder(path, { replaces }), {
    code: 'io-exists',
    message: 'thesis.doc',
    fix: 'move that file away',
  });
  const inner = target();
  mkdirSync(join(inner, 'a.txt'), { recursive: true });
  await expectRefusal(() => createFolder(inner, { replaces }), {
    code: 'io-exists',
    message: 'a.txt',
  });
  // A disk that is mounted at a folder: its device is not that of the folder above.
  const mounted = {
    ...fileSystem,
    stat: async (of: string, options: { bigint: true }) => {
      const state = await fileSystem.stat(of, options);
      return of === path ? Object.assign(state, { dev: state.dev + 1n }) : state;
    },
  };
  await expectRefusal(() => createFolder(path, { replaces, fileSystem: mounted }), {
    code: 'io-not-a-file',
    file: path,
    fix: 'inside of it',
    found: 'a mount point',
  });
  const file = join(path, 'a.txt');
  await expectRefusal(() => createFolder(file, { replaces }), { code: 'io-not-a-file', file });
  await expectRefusal(() => createFolder('/dev/null'), {
    code: 'io-not-a-file',
    file: '/dev/null',
  });
  const absent = join(path, 'absent', 'model');
  await expectRefusal(() => createFolder(absent), { code: 'io-not-found', file: absent });
  assert.equal(content(path), { ...OLD, 'model/thesis.doc': 'years of work' });
});

writeFolder('error: an input is no target, under any name', async () => {
  const path = target();
  oldModel(path);
  const input = join(path, 'a.txt');
  const [link, folderLink] = ['link', 'folder-link'].map((name) => join(dirname(path), name));
  symlinkSync(input, link);
  symlinkSync(path, folderLink);
  for (const out of [input, link, path, folderLink, dirname(path), join(path, '..', 'model')]) {
    const expected = { code: 'option-value', where: '--out', fix: 'another place' } as const;
    await expectRefusal(() => expectNoInput(out, ['absent', input]), expected);
  }
  // A folder beside the input, a new one inside, and another file are none.
  await expectNoInput(join(path, 'new'), [input, path]);
  await expectNoInput(join(path, 'c.txt'), [input, path]);
  await expectNoInput(`${path}2`, [input, path]);
});

writeFolder('error: a file that is there, and a disk that is too small', async () => {
  const path = target();
  await expectFree(path);
  await expectSpace(path, 1);
  writeFileSync(path, 'old');
  await expectRefusal(() => expectFree(path), { code: 'io-exists', file: path, fix: '--force' });
  await expectRefusal(() => expectSpace(path, 2 ** 52), { code: 'io-no-space', file: path });
});

writeFolder.run();
