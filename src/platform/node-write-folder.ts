/** Folders written whole or not at all, on Node: the files go into a temporary folder beside the
 *  target, which takes its name only when all of them are on the disk.
 *
 *  Order: write, fsync each file, fsync the temporary folder, rename, fsync the folder above. Where
 *  a folder is replaced, the old one is renamed away first and back again if the second rename
 *  fails; it is removed last. */

import { existsSync, renameSync } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BaichuanError, quote } from '../errors.ts';
import type { ByteSink } from '../formats/byte-source.ts';
import { errnoOf, existsError, ioError, printablePath } from './node-errors.ts';
import { kindOf } from './node-read-file.ts';
import { keepAtExit, pathBehind, removeAtExit, temporaryBeside } from './node-temporary.ts';
import {
  syncFolder,
  type WriteFileSystem,
  writeFully,
  writerClosedError,
} from './node-write-file.ts';

/** What of `node:fs/promises` is used here; specs inject faults through it. */
export interface FolderFileSystem
  extends Pick<WriteFileSystem, 'open' | 'realpath' | 'rename' | 'stat'> {
  mkdir(path: string): Promise<unknown>;
  readdir(path: string): Promise<string[]>;
  rm(path: string, options: { recursive: true; force: true }): Promise<void>;
}

export interface CreateFolderOptions {
  /** Whether an existing folder may be replaced that holds a file; an existing one is refused
   *  without, and one with folders in it always.
   *  @param name of the file @param path of the file */
  readonly replaces?: ((name: string, path: string) => boolean | Promise<boolean>) | undefined;
  readonly fileSystem?: FolderFileSystem | undefined;
}

/** A folder that is being written. After an error nothing of it is left. */
export interface FolderWriter {
  /** Begins a file; the one before must be finished. @throws io-… */
  create(name: string): Promise<ByteSink & { finish(): Promise<void> }>;
  /** Puts the folder in its place. @throws io-… */
  commit(): Promise<void>;
  /** Removes what was written; does nothing after `commit`. */
  abort(): Promise<void>;
}

/** Begins to write a folder that appears only with `commit`.
 *  @throws io-exists, io-not-found, io-not-a-file, io-no-space, io-failed */
export async function createFolder(
  path: string,
  { replaces, fileSystem = nodeFileSystem }: CreateFolderOptions = {},
): Promise<FolderWriter> {
  const name = printablePath(path);
  try {
    const { target, isFilled } = await targetOf(path, replaces, fileSystem);
    const temporary = temporaryBeside(target);
    await fileSystem.mkdir(temporary);
    removeAtExit(temporary);
    return folderWriter({ name, target, isFilled, temporary, fileSystem });
  } catch (cause) {
    throw ioError(cause, { file: name, action: 'create the folder' });
  }
}

/** The real path, and whether something is there. */
async function targetOf(
  path: string,
  replaces: CreateFolderOptions['replaces'],
  fileSystem: FolderFileSystem,
): Promise<{ target: string; isFilled: boolean }> {
  let device: bigint;
  try {
    const state = await fileSystem.stat(path, { bigint: true });
    if (!state.isDirectory()) throw notFolderError(path, kindOf(state));
    device = state.dev;
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    return { target: await pathBehind(withoutEnd(path)), isFilled: false };
  }
  const target = await fileSystem.realpath(path);
  const above = await fileSystem.stat(dirname(target), { bigint: true });
  if (above.dev !== device) throw mountError(path);
  const names = await fileSystem.readdir(path);
  if (names.length > 0 && replaces === undefined)
    throw existsError(path, 'the folder is not empty');
  for (const found of names) {
    const file = join(target, found);
    const isFile = (await fileSystem.stat(file, { bigint: true })).isFile();
    if (isFile && (await replaces?.(found, file)) === true) continue;
    const what = `the folder holds ${quote(found)}, which is no file of a converted model`;
    throw existsError(path, what, 'Write to another folder, or move that file away.');
  }
  return { target, isFilled: names.length > 0 };
}

function withoutEnd(path: string): string {
  return path.replace(/(?<=.)[\\/]+$/, '');
}

function mountError(path: string): BaichuanError {
  return new BaichuanError('io-not-a-file', {
    file: printablePath(path),
    what: 'a disk is mounted at this folder, which so cannot be put in the place of another.',
    fix: 'Give the path of a new folder inside of it.',
    expected: 'a folder, or nothing',
    found: 'a mount point',
  });
}

function notFolderError(path: string, found: string): BaichuanError {
  return new BaichuanError('io-not-a-file', {
    file: printablePath(path),
    what: `this is ${found}, where a folder is to be written.`,
    fix: 'Give the path of a folder.',
    expected: 'a folder, or nothing',
    found,
  });
}

interface CreatedFolder {
  readonly name: string;
  readonly target: string;
  readonly isFilled: boolean;
  readonly temporary: string;
  readonly fileSystem: FolderFileSystem;
}

/** Runs the steps of a writer: one that fails takes the whole folder with it. */
type Guard = (file: string, action: string, step: () => Promise<void>) => Promise<void>;

function folderWriter(folder: CreatedFolder): FolderWriter {
  const { name, temporary, fileSystem } = folder;
  const written: { handle?: nodeFileSystem.FileHandle | undefined } = {};
  let open = true;
  const discard = async () => {
    if (!open) return;
    open = false;
    await written.handle?.close().catch(() => undefined);
    await fileSystem.rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    keepAtExit(temporary);
  };
  const guarded: Guard = async (file, action, step) => {
    if (!open) throw writerClosedError(file);
    try {
      await step();
    } catch (cause) {
      await discard();
      throw ioError(cause, { file, action });
    }
  };
  return {
    async create(fileName) {
      const file = join(name, fileName);
      await guarded(file, 'create the file', async () => {
        written.handle = await fileSystem.open(join(temporary, fileName), 'wx');
      });
      return fileOf(file, written, guarded);
    },
    commit: () =>
      guarded(name, 'put the folder in its place', async () => {
        await syncFolder(temporary, fileSystem);
        await place(folder);
        open = false;
      }),
    abort: discard,
  };
}

function fileOf(
  file: string,
  written: { handle?: nodeFileSystem.FileHandle | undefined },
  guarded: Guard,
): ByteSink & { finish(): Promise<void> } {
  const { handle } = written;
  let size = 0;
  return {
    write: (bytes) =>
      guarded(file, `write ${bytes.length} bytes`, async () => {
        if (handle === undefined || written.handle !== handle) throw writerClosedError(file);
        const byteOffset = size;
        size += bytes.length;
        await writeFully(handle, file, bytes, byteOffset);
      }),
    finish: () =>
      guarded(file, 'finish the file', async () => {
        await handle?.sync();
        await handle?.close();
        written.handle = undefined;
      }),
  };
}

/** Gives the temporary folder its name. */
async function place({ target, isFilled, temporary, fileSystem }: CreatedFolder): Promise<void> {
  if (!isFilled) {
    await fileSystem.rename(temporary, target);
    keepAtExit(temporary);
    await syncFolder(dirname(target), fileSystem);
    return;
  }
  const old = temporaryBeside(target, 'old');
  removeAtExit(old, () => {
    if (!existsSync(target)) renameSync(old, target);
  });
  try {
    await fileSystem.rename(target, old);
    try {
      await fileSystem.rename(temporary, target);
    } catch (cause) {
      await fileSystem.rename(old, target);
      throw cause;
    }
  } catch (cause) {
    keepAtExit(old);
    throw cause;
  }
  keepAtExit(temporary);
  await syncFolder(dirname(target), fileSystem);
  await fileSystem.rm(old, { recursive: true, force: true }).catch(() => undefined);
  keepAtExit(old);
}
