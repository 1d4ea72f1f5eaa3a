import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import * as fileSystem from 'node:fs/promises';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSafetensors } from '../../src/formats/safetensors.ts';
import { openFile, type ReadFileSystem } from '../../src/platform/node-read-file.ts';
import { countingBytes, float32Entry, safetensorsFile } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';
import { scratchPath } from '../support/scratch-files.ts';

const readFile = suite('node-read-file');

const bytes = countingBytes(5000);

function written(name = 'file', content = bytes): string {
  const path = scratchPath(name);
  writeFileSync(path, content);
  return path;
}

/** A file system whose call fails as the system would. */
function failing(call: 'open' | 'stat' | 'read', errno: string): ReadFileSystem {
  const fail = async () => {
    throw Object.assign(new Error(`${errno}: injected`), { code: errno });
  };
  if (call !== 'read') return { ...fileSystem, [call]: fail };
  const open: ReadFileSystem['open'] = async (...parameters) => {
    const handle = await fileSystem.open(...parameters);
    handle.read = fail;
    return handle;
  };
  return { ...fileSystem, open };
}

readFile('law: a file gives its bytes anywhere, from the first to the last', async () => {
  const source = await openFile(written());
  assert.is(source.size, 5000);
  assert.equal([...(await source.read(0, 5000))], [...bytes]);
  assert.equal([...(await source.read(4999, 1))], [bytes[4999]]);
  assert.is((await source.read(5000, 0)).length, 0);
  await source.close();
});

readFile('law: a read that the system splits is put together', async () => {
  const open: ReadFileSystem['open'] = async (...parameters) => {
    const handle = await fileSystem.open(...parameters);
    const read = handle.read.bind(handle);
    const few = (target: Uint8Array, offset: number, length: number, position: number) =>
      read(target, offset, Math.min(length, 7), position);
    return Object.assign(handle, { read: few });
  };
  const source = await openFile(written(), { fileSystem: { ...fileSystem, open } });
  assert.equal([...(await source.read(3, 100))], [...bytes.slice(3, 103)]);
  await source.close();
});

readFile('error: IX10 a pipe, a socket, a folder, a device or a file of the kernel', async () => {
  const code = 'io-not-a-file';
  const refuse = (path: string, found: string) =>
    expectRefusal(() => openFile(path), { code, file: path, found, fix: 'regular file' });
  const pipe = scratchPath('pipe');
  execFileSync('mkfifo', [pipe]);
  await refuse(pipe, 'a pipe');
  const folder = scratchPath('folder');
  mkdirSync(folder);
  await refuse(folder, 'a folder');
  await refuse('/dev/zero', 'a device');
  await refuse('/proc/self/status', 'a file that the kernel makes up');
  const socket = scratchPath('socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  await refuse(socket, 'a socket');
  await new Promise((resolve) => server.close(resolve));
});

readFile('error: IX10 a pipe that takes the place of the file is not waited for', async () => {
  const pipe = scratchPath('pipe');
  execFileSync('mkfifo', [pipe]);
  const file = written();
  const stat: ReadFileSystem['stat'] = (_, options) => fileSystem.stat(file, options);
  const action = () => openFile(pipe, { fileSystem: { ...fileSystem, stat } });
  await expectRefusal(action, { code: 'io-not-a-file', found: 'a pipe' });
});

readFile('error: IX11 no access, and a disk that fails in the middle of a read', async () => {
  const path = written();
  const denied = () => openFile(path, { fileSystem: failing('open', 'EACCES') });
  const access = { code: 'io-failed', file: path, found: 'EACCES', fix: 'permissions' } as const;
  await expectRefusal(denied, access);
  const source = await openFile(path, { fileSystem: failing('read', 'EIO') });
  await expectRefusal(() => source.read(1234, 8), {
    code: 'io-failed',
    file: path,
    where: 'byte 1234',
    message: ['EIO', 'read 8 bytes'],
    fix: 'disk',
  });
  await source.close();
});

readFile(
  'error: IX11 a disk that ends before the file does, though nothing else changed',
  async () => {
    const open: ReadFileSystem['open'] = async (...parameters) => {
      const handle = await fileSystem.open(...parameters);
      return Object.assign(handle, { read: async () => ({ bytesRead: 0 }) });
    };
    const source = await openFile(written(), { name: 'x', fileSystem: { ...fileSystem, open } });
    const expected = { code: 'io-changed', file: 'x', message: 'ends after 7 bytes' } as const;
    await expectRefusal(() => source.read(7, 8), expected);
    await source.close();
  },
);

readFile('error: IX11 each call of the system may fail, and the error says how', async () => {
  for (const errno of ['EMFILE', 'EPERM', 'ELOOP', 'ESTALE']) {
    for (const call of ['open', 'stat'] as const) {
      const action = () => openFile(written(), { name: 'x', fileSystem: failing(call, errno) });
      await expectRefusal(action, { code: 'io-failed', file: 'x', found: errno });
    }
  }
});

readFile('law: IX12 names with spaces, Chinese or emoji open', async () => {
  for (const name of ['with space', '模型 权重', '😀', 'quote\'"', '-rf', 'a'.repeat(200)]) {
    const path = written(name);
    const source = await openFile(path);
    assert.is(source.name, path);
    assert.is((await source.read(0, 10)).length, 10);
    await source.close();
  }
});

readFile('error: IX12 paths that are too long, hold NUL, or lead nowhere', async () => {
  const long = `/tmp/${'x'.repeat(4096)}`;
  await expectRefusal(() => openFile(long), { code: 'io-failed', found: 'ENAMETOOLONG' });
  const message = '\\u0000';
  await expectRefusal(() => openFile('/tmp/a\u0000b'), { code: 'io-not-found', message });
  const nowhere = { code: 'io-not-found', found: 'ENOENT', fix: 'Check the path' } as const;
  await expectRefusal(() => openFile('/tmp/no/such/file'), nowhere);
  const inFile = `${written()}/x`;
  await expectRefusal(() => openFile(inFile), { code: 'io-not-found', found: 'ENOTDIR' });
});

readFile(
  'error: ST28 a file that is cut, written, replaced or removed while it is open',
  async () => {
    const content = safetensorsFile({ a: float32Entry([1000], 0) }, 4000);
    const changes: [change: (path: string) => void, message: string][] = [
      [(path) => truncateSync(path, 100), `its size went from ${content.length} to 100`],
      [(path) => utimesSync(path, 1, 1), 'it was written'],
      [(path) => writeFileSync(path, new Uint8Array(content.length)), 'it was written'],
      [(path) => renameSync(written(), path), 'it was replaced'],
      [(path) => rmSync(path), 'it is no longer there'],
    ];
    for (const [change, message] of changes) {
      const path = written('model.safetensors', content);
      const { tensors, close } = await openSafetensors(await openFile(path));
      const tensor = tensors.get('a');
      assert.is((await tensor?.read(0, 4000))?.length, 4000);
      await new Promise((resolve) => setTimeout(resolve, 5));
      change(path);
      const where = `byte ${content.length - 4000 + 3000}`;
      const expected = {
        code: 'io-changed',
        file: path,
        where,
        fix: 'load the model again',
      } as const;
      const error = await expectRefusal(() => tensor?.read(3000, 1000), expected);
      assert.match(error.message, message);
      await close();
    }
  },
);

readFile.run();
