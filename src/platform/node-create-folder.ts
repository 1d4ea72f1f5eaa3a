/** Folders made on Node. */

import { mkdir, readdir } from 'node:fs/promises';
import { BaichuanError } from '../errors.ts';
import { errnoOf, ioError, printablePath } from './node-errors.ts';

/** Makes a folder and those it lies in; one that is there already stays as it is.
 *  @throws io-not-a-file, io-no-space, io-failed */
export async function createFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    if (['EEXIST', 'ENOTDIR'].includes(errnoOf(cause))) throw notFolder(path, cause);
    throw ioError(cause, { file: path, action: 'create the folder' });
  }
}

/** Makes a folder for what shall lie in it alone. @throws io-not-a-file, io-failed */
export async function createEmptyFolder(path: string): Promise<void> {
  await createFolder(path);
  const names = await readdir(path).catch((cause) => {
    throw ioError(cause, { file: path, action: 'list the folder' });
  });
  if (names.length === 0) return;
  throw new BaichuanError('io-not-a-file', {
    file: printablePath(path),
    what: `The folder has ${names.length} files or folders in it already.`,
    fix: 'Give the path of a new or empty folder.',
    expected: 0,
    found: names.length,
  });
}

function notFolder(path: string, cause: unknown): BaichuanError {
  return new BaichuanError('io-not-a-file', {
    file: printablePath(path),
    what: 'A file is where a folder belongs.',
    fix: 'Give the path of a folder.',
    cause,
  });
}
