import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fileSystem from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createFile, type WriteFileSystem } from '../../src/platform/node-write-file.ts';
import { failingFileSystem } from '../support/failing-file-system.ts';
import { utf8 } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { scratchPath } from '../support/scratch-files.ts';

const writeFile = suite('node-write-file');

/** A path in a folder of its own, to see what else is left there. */
function target(): string {
  const folder = scratchPath('out');
  mkdirSync(folder);
  return join(folder, 'trace.safetensors');
}

async function writeTwoParts(path: string, fileSystem?: WriteFileSystem): Promise<void> {
  const file = await createFile(path, { fileSystem });
  await file.write(utf8('one '));
  await file.write(utf8('two'));
  await file.commit();
}

writeFile('law: a file appears whole with commit, and nothing stays beside it', async () => {
  const path = target();
  const file = await createFile(path);
  await file.write(utf8('one '));
  assert.not.ok(readdirSync(dirname(path)).includes(basename(path)));
  await file.write(utf8('two'));
  await file.commit();
  assert.is(readFileSync(path, 'utf8'), 'one two');
  assert.equal(readdirSync(dirname(path)), [basename(path)]);
});

writeFile('law: writes that are not awaited keep their order', async () => {
  const path = target();
  const file = await createFile(path);
  const parts = Array.from({ length: 50 }, (_, index) => `${index};`);
  await Promise.all(parts.map((part) => file.write(utf8(part))));
  await file.commit();
  assert.is(readFileSync(path, 'utf8'), parts.join(''));
});

writeFile('law: bytes go to places of their own in any order, the gaps being 0', async () => {
  const path = target();
  const file = await createFile(path);
  await file.writeAt(6, utf8('six'));
  await file.writeAt(0, utf8('one'));
  await file.write(utf8('!'));
  await file.writeAt(1, utf8('N'));
  await file.commit();
  assert.is(readFileSync(path, 'utf8'), 'oNe\0\0\0six!');
  await expectRefusal(() => file.writeAt(0, utf8('late')), {
    code: 'io-closed',
    file: path,
    message: 'already finished',
  });
});

writeFile('error: a full disk leaves nothing of what was put into places', async () => {
  const path = target();
  const attempt = async () => {
    const file = await createFile(path, { fileSystem: failingFileSystem(1).wrapped });
    await file.writeAt(100, utf8('x'));
  };
  await expectRefusal(attempt, { code: 'io-no-space', file: path, message: 'ENOSPC' });
  assert.equal(readdirSync(dirname(path)), []);
});

writeFile('law: what was there stays until commit, and after abort', async () => {
  const path = target();
  writeFileSync(path, 'old');
  const file = await createFile(path);
  await file.write(utf8('new'));
  assert.is(readFileSync(path, 'utf8'), 'old');
  await file.abort();
  await file.abort();
  assert.is(readFileSync(path, 'utf8'), 'old');
  assert.equal(readdirSync(dirname(path)), [basename(path)]);
  await writeTwoParts(path);
  assert.is(readFileSync(path, 'utf8'), 'one two');
});

writeFile('law: a link keeps pointing to the file that is written', async () => {
  const path = target();
  const link = join(dirname(path), 'link');
  writeFileSync(path, 'old');
  symlinkSync(path, link);
  await writeTwoParts(link);
  assert.is(readFileSync(path, 'utf8'), 'one two');
  assert.equal(readdirSync(dirname(path)).sort(), ['link', basename(path)]);
});

writeFile('law: the order is write, sync, rename, sync of the folder', async () => {
  const { calls, wrapped } = failingFileSystem();
  await writeTwoParts(target(), wrapped);
  const order = 'open file, write, write, sync file, rename, open folder, sync folder';
  assert.is(calls.join(', '), order);
});

writeFile('law: without being told, nothing is replaced, whenever it came', async () => {
  const noLink = () => Promise.reject(Object.assign(new Error('EPERM'), { code: 'EPERM' }));
  // Where a file system has no second names, the place is looked at once more.
  for (const changes of [{}, { link: noLink }]) {
    const path = target();
    const begin = async () => {
      const options = { replaces: false, fileSystem: { ...fileSystem, ...changes } };
      const file = await createFile(path, options);
      await file.write(utf8('one'));
      return file;
    };
    const late = async () => {
      rmSync(path, { force: true });
      const file = await begin();
      writeFileSync(path, 'mine');
      await file.commit();
    };
    const refusal = { code: 'io-exists', file: path, fix: '--force' } as const;
    await expectRefusal(late, refusal);
    await expectRefusal(begin, refusal);
    assert.is(readFileSync(path, 'utf8'), 'mine');
    assert.equal(readdirSync(dirname(path)), [basename(path)]);
    rmSync(path);
    await (await begin()).commit();
    assert.is(readFileSync(path, 'utf8'), 'one');
    assert.equal(readdirSync(dirname(path)), [basename(path)]);
  }
});

writeFile('law: a link that leads to nothing yet is followed', async () => {
  const path = target();
  const link = join(dirname(path), 'link');
  symlinkSync('further', link);
  symlinkSync(basename(path), join(dirname(path), 'further'));
  await writeTwoParts(link);
  assert.is(readFileSync(path, 'utf8'), 'one two');
  assert.equal(readdirSync(dirname(path)).sort(), ['further', 'link', basename(path)].sort());
});

writeFile('error: a full disk at any call leaves the old file and nothing else', async () => {
  const path = target();
  for (const existing of [false, true]) {
    if (existing) writeFileSync(path, 'old');
    for (let failAt = 0; failAt < 5; failAt++) {
      await expectRefusal(() => writeTwoParts(path, failingFileSystem(failAt).wrapped), {
        code: 'io-no-space',
        file: path,
        found: 'ENOSPC',
        fix: 'Free some space',
      });
      assert.equal(readdirSync(dirname(path)), existing ? [basename(path)] : []);
      if (existing) assert.is(readFileSync(path, 'utf8'), 'old');
    }
  }
});

writeFile('error: a refused call is named with its errno', async () => {
  const path = target();
  for (const errno of ['EACCES', 'EROFS', 'EIO']) {
    const action = () => writeTwoParts(path, failingFileSystem(0, errno).wrapped);
    await expectRefusal(action, { code: 'io-failed', file: path, found: errno });
  }
  const absent = join(dirname(path), 'absent', 'x');
  await expectRefusal(() => createFile(absent), { code: 'io-not-found', file: absent });
});

writeFile('error: a system that takes no byte and says nothing', async () => {
  const path = target();
  const open: WriteFileSystem['open'] = async (...parameters) => {
    const handle = await fileSystem.open(...parameters);
    return Object.assign(handle, { write: async () => ({ bytesWritten: 0 }) });
  };
  const action = () => writeTwoParts(path, { ...fileSystem, open });
  const expected = { code: 'io-failed', file: path, where: 'byte 0', fix: 'disk' } as const;
  await expectRefusal(action, expected);
  assert.equal(readdirSync(dirname(path)), []);
});

writeFile('error: a folder or a device is not replaced', async () => {
  const folder = dirname(target());
  const code = 'io-not-a-file';
  await expectRefusal(() => createFile(folder), { code, found: 'a folder', fix: 'file to write' });
  await expectRefusal(() => createFile('/dev/null'), { code, found: 'a device' });
});

writeFile('error: writing after commit, abort or an error', async () => {
  const path = target();
  const file = await createFile(path);
  await file.commit();
  const code = 'io-closed';
  await expectRefusal(() => file.write(utf8('x')), { code, file: path, fix: 'again' });
  await expectRefusal(() => file.commit(), { code });
  await file.abort();
  assert.equal(readdirSync(dirname(path)), [basename(path)]);
});

writeFile.run();
