/** Files written whole or not at all, on Node: the bytes go to a temporary file beside the target,
 *  which takes its name only when all of them are on the disk. What was there before stays until
 *  then. Order: write, fsync the file, rename, fsync the folder. */

import type { BigIntStats } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { dirname } from 'node:path';
import { BaichuanError } from '../errors.ts';
import type { ByteSink, PlacedByteSink } from '../formats/byte-source.ts';
import { errnoOf, existsError, ioError, printablePath } from './node-errors.ts';
import { kindOf } from './node-read-file.ts';
import { keepAtExit, pathBehind, removeAtExit, temporaryBeside } from './node-temporary.ts';

/** What of `node:fs/promises` is used here; specs inject faults through it. */
export interface WriteFileSystem {
  link(existing: string, path: string): Promise<void>;
  open(path: string, flags: string): Promise<nodeFileSystem.FileHandle>;
  realpath(path: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  stat(path: string, options: { bigint: true }): Promise<BigIntStats>;
  unlink(path: string): Promise<void>;
}

export interface CreateFileOptions {
  /** Whether a file that is there, or comes meanwhile, is replaced; true by default. */
  readonly replaces?: boolean | undefined;
  readonly fileSystem?: WriteFileSystem | undefined;
}

/** A file that is being written. After an error of `write`, `writeAt` or `commit` nothing of it is
 *  left. */
export interface FileWriter extends ByteSink, PlacedByteSink {
  /** Adds bytes at the end. @throws io-no-space, io-failed, io-closed */
  write(bytes: Uint8Array): Promise<void>;
  /** Puts bytes anywhere; what is never written is 0. @throws io-no-space, io-failed, io-closed */
  writeAt(byteOffset: number, bytes: Uint8Array): Promise<void>;
  /** Puts the file in its place. @throws io-no-space, io-failed, io-closed */
  commit(): Promise<void>;
  /** Removes what was written; does nothing after `commit` or an error. */
  abort(): Promise<void>;
}

/** Begins to write a file that appears only with `commit`.
 *  @param path where it shall be; a link is followed
 *  @throws io-exists, io-not-found, io-not-a-file, io-no-space, io-failed */
export async function createFile(
  path: string,
  { replaces = true, fileSystem = nodeFileSystem }: CreateFileOptions = {},
): Promise<FileWriter> {
  const file = printablePath(path);
  try {
    const { target, isThere } = await targetOf(path, fileSystem);
    if (isThere && !replaces) throw thereError(path);
    const temporary = temporaryBeside(target);
    const handle = await fileSystem.open(temporary, 'wx');
    removeAtExit(temporary);
    return fileWriter({ file, target, temporary, handle, fileSystem, replaces });
  } catch (cause) {
    throw ioError(cause, { file, action: 'create the file' });
  }
}

/** The real path to write to. Renaming over a device such as /dev/null would destroy it. */
async function targetOf(
  path: string,
  fileSystem: WriteFileSystem,
): Promise<{ target: string; isThere: boolean }> {
  try {
    const state = await fileSystem.stat(path, { bigint: true });
    if (state.isFile()) return { target: await fileSystem.realpath(path), isThere: true };
    throw new BaichuanError('io-not-a-file', {
      file: printablePath(path),
      what: `this is ${kindOf(state)}, which is not replaced by a file.`,
      fix: 'Give the path of a file to write.',
      expected: 'a regular file, or none',
      found: kindOf(state),
    });
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    return { target: await pathBehind(path), isThere: false };
  }
}

interface CreatedFile {
  file: string;
  target: string;
  temporary: string;
  handle: nodeFileSystem.FileHandle;
  fileSystem: WriteFileSystem;
  replaces: boolean;
}

function fileWriter(created: CreatedFile): FileWriter {
  const { file, target, temporary, handle, fileSystem } = created;
  let size = 0;
  let open = true;
  const discard = async () => {
    if (!open) return;
    open = false;
    await handle.close().catch(() => undefined);
    await fileSystem.unlink(temporary).catch(() => undefined);
    keepAtExit(temporary);
  };
  const guarded = async (action: string, step: () => Promise<void>) => {
    if (!open) throw writerClosedError(file);
    try {
      await step();
    } catch (cause) {
      await discard();
      throw ioError(cause, { file, byteOffset: size, action });
    }
  };
  return {
    write: (bytes) =>
      guarded(`write ${bytes.length} bytes`, async () => {
        const byteOffset = size;
        size += bytes.length;
        await writeFully(handle, file, bytes, byteOffset);
      }),
    writeAt: (byteOffset, bytes) =>
      guarded(`write ${bytes.length} bytes`, async () => {
        size = Math.max(size, byteOffset + bytes.length);
        await writeFully(handle, file, bytes, byteOffset);
      }),
    commit: () =>
      guarded('finish the file', async () => {
        await handle.sync();
        await handle.close();
        await place(created);
        open = false;
        keepAtExit(temporary);
        await syncFolder(dirname(target), fileSystem);
      }),
    abort: discard,
  };
}

/** Gives the temporary file its name. A second name, unlike a new one, replaces nothing. */
async function place({ file, target, temporary, fileSystem, replaces }: CreatedFile) {
  if (replaces) return fileSystem.rename(temporary, target);
  try {
    await fileSystem.link(temporary, target);
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') throw thereError(file);
    // Some file systems have no second names.
    const { isThere } = await targetOf(target, fileSystem);
    if (isThere) throw thereError(file);
    return fileSystem.rename(temporary, target);
  }
  await fileSystem.unlink(temporary);
}

function thereError(path: string): BaichuanError {
  return existsError(path, 'the file is there already');
}

/** Writes all of a block, however much the system takes at once.
 *  @throws io-failed when it takes nothing and gives no reason */
export async function writeFully(
  handle: nodeFileSystem.FileHandle,
  file: string,
  bytes: Uint8Array,
  byteOffset: number,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const left = bytes.length - done;
    const { bytesWritten } = await handle.write(bytes, done, left, byteOffset + done);
    if (bytesWritten === 0) throw refusedError(file, byteOffset + done);
    done += bytesWritten;
  }
}

function refusedError(file: string, byteOffset: number): BaichuanError {
  return new BaichuanError('io-failed', {
    file,
    where: `byte ${byteOffset}`,
    what: 'the system took no byte of what was to be written, and gave no reason.',
    fix: 'Check the disk, or write to another one.',
    found: 0,
  });
}

/** Makes the new name last; some systems cannot open or sync a folder, and need not. */
export async function syncFolder(
  path: string,
  fileSystem: Pick<WriteFileSystem, 'open'>,
): Promise<void> {
  const handle = await fileSystem.open(path, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}

/** The error of a writer that is at its end. */
export function writerClosedError(file: string): BaichuanError {
  return new BaichuanError('io-closed', {
    file,
    what: 'the file is already finished or was given up.',
    fix: 'Create it again.',
  });
}
