/** A regular file as a `ByteSource` on Node (and on Deno and Bun, which have its `node:fs`).
 *
 *  A path is looked at before it is opened, and opened without blocking, so that a pipe, a device
 *  or a socket is refused and never waited for. After each read the path is looked at again: a file
 *  that was replaced, cut or written meanwhile is an error, never a mixture of two. */
import { Buffer } from 'node:buffer';
import { type BigIntStats, constants } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { BaichuanError } from '../errors.ts';
import { type ByteSource, closedError, expectRange } from '../formats/byte-source.ts';
import { ioError, printablePath } from './node-errors.ts';

/** What of `node:fs/promises` is used here; specs inject faults through it. */
export interface ReadFileSystem {
  open(path: string, flags: number): Promise<nodeFileSystem.FileHandle>;
  stat(path: string, options: { bigint: true }): Promise<BigIntStats>;
  statfs(path: string): Promise<{ type: number }>;
}

export interface OpenFileOptions {
  /** How messages name the file; its path unless told. */
  name?: string | undefined;
  fileSystem?: ReadFileSystem | undefined;
}

/** Bytes that one call of the system may read. */
const MAX_READ_BYTES = 2 ** 30;

/** File systems that hold no data but answers of the kernel: proc, sysfs, debugfs, tracefs, cgroup,
 *  cgroup2. Source: linux/magic.h. */
const KERNEL_FILE_SYSTEMS: ReadonlySet<number> = new Set([
  0x9fa0, 0x62656572, 0x64626720, 0x74726163, 0x27e0eb, 0x63677270,
]);

/** Opens a regular file for reading.
 *  @throws io-not-found, io-not-a-file, io-failed */
export async function openFile(path: string, options: OpenFileOptions = {}): Promise<ByteSource> {
  const { name = path, fileSystem = nodeFileSystem } = options;
  const file = printablePath(name);
  try {
    await expectRegularFile(path, file, fileSystem);
    // O_NONBLOCK: a pipe put there since the look is opened, not waited for, and then refused.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
    const handle = await fileSystem.open(path, flags);
    const state = await handle.stat({ bigint: true });
    if (state.isFile()) return fileSource(file, path, { handle, state, fileSystem });
    await handle.close();
    throw notFileError(file, state);
  } catch (cause) {
    throw ioError(cause, { file, action: 'open the file' });
  }
}

async function expectRegularFile(
  path: string,
  file: string,
  fileSystem: ReadFileSystem,
): Promise<void> {
  const state = await fileSystem.stat(path, { bigint: true });
  if (!state.isFile()) throw notFileError(file, state);
  const { type } = await fileSystem.statfs(path).catch(() => ({ type: 0 }));
  if (KERNEL_FILE_SYSTEMS.has(type)) throw notFileError(file, undefined);
}

/** What is thrown for a path that is not one of a regular file.
 *  @param state of what is there, if it says so itself */
export function notFileError(file: string, state: BigIntStats | undefined): BaichuanError {
  const found = kindOf(state);
  return new BaichuanError('io-not-a-file', {
    file,
    what: `this is ${found}, not a regular file.`,
    fix: 'Give the path of a regular file.',
    expected: 'a regular file',
    found,
  });
}

/** What stands at a path, in words. */
export function kindOf(state: BigIntStats | undefined): string {
  if (state === undefined) return 'a file that the kernel makes up';
  if (state.isDirectory()) return 'a folder';
  if (state.isFIFO()) return 'a pipe';
  if (state.isSocket()) return 'a socket';
  return state.isCharacterDevice() || state.isBlockDevice() ? 'a device' : 'something else';
}

interface OpenedFile {
  handle: nodeFileSystem.FileHandle;
  state: BigIntStats;
  fileSystem: ReadFileSystem;
}

function fileSource(file: string, path: string, opened: OpenedFile): ByteSource {
  const { handle, state, fileSystem } = opened;
  const size = Number(state.size);
  let closed = false;
  return {
    name: file,
    size,
    async read(byteOffset, byteLength) {
      if (closed) throw closedError(file);
      expectRange(this, byteOffset, byteLength);
      const place = { file, byteOffset, action: `read ${byteLength} bytes` };
      let bytes: Uint8Array | undefined;
      let fault: unknown;
      try {
        bytes = await readFully(handle, file, byteOffset, byteLength);
      } catch (cause) {
        fault = cause;
      }
      const change = await changeSince(state, path, fileSystem);
      if (change !== undefined) throw changedError(file, byteOffset, change, fault);
      if (bytes !== undefined) return bytes;
      throw ioError(fault, place);
    },
    async close() {
      if (closed) return;
      closed = true;
      await handle.close();
    },
  };
}

async function readFully(
  handle: nodeFileSystem.FileHandle,
  file: string,
  byteOffset: number,
  byteLength: number,
): Promise<Uint8Array> {
  // Not cleared first: it is filled, or never seen.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(byteLength).buffer, 0, byteLength);
  let done = 0;
  while (done < byteLength) {
    const wanted = Math.min(byteLength - done, MAX_READ_BYTES);
    const { bytesRead } = await handle.read(bytes, done, wanted, byteOffset + done);
    if (bytesRead === 0) {
      const change = `it ends after ${byteOffset + done} bytes`;
      throw changedError(file, byteOffset, change, undefined);
    }
    done += bytesRead;
  }
  return bytes;
}

/** What differs at the path since the file was opened, in words, or undefined. */
async function changeSince(
  before: BigIntStats,
  path: string,
  fileSystem: ReadFileSystem,
): Promise<string | undefined> {
  let now: BigIntStats;
  try {
    now = await fileSystem.stat(path, { bigint: true });
  } catch {
    return 'it is no longer there';
  }
  if (now.ino !== before.ino || now.dev !== before.dev) return 'it was replaced by another file';
  if (now.size !== before.size) return `its size went from ${before.size} to ${now.size} bytes`;
  return now.mtimeNs === before.mtimeNs ? undefined : 'it was written';
}

function changedError(
  file: string,
  byteOffset: number,
  change: string,
  cause: unknown,
): BaichuanError {
  return new BaichuanError('io-changed', {
    file,
    where: `byte ${byteOffset}`,
    what: `the file changed while it was open: ${change}.`,
    fix: 'Leave model files alone while they are open, and load the model again.',
    cause,
  });
}
