/** Folders of model files on Node. A file is opened by its name alone; a symbolic link is followed
 *  only where it stays inside the folder, or as the Hugging Face cache makes them:
 *
 *    models--OWNER--NAME/snapshots/REVISION/model.safetensors → ../../blobs/SHA256 */
import * as nodeFileSystem from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { BaichuanError, quote } from '../errors.ts';
import type { ByteSource } from '../formats/byte-source.ts';
import {
  expectFileName,
  type Folder,
  meansFolder,
  type NamedModel,
} from '../formats/hugging-face-folder.ts';
import { ioError, printablePath } from './node-errors.ts';
import { notFileError, openFile } from './node-read-file.ts';

export interface OpenFolderOptions {
  /** A file in it that the user named, which may be a link to anywhere. */
  namedFile?: string | undefined;
}

/** Gives access to the files of a folder; nothing is touched yet.
 *  @param path of the folder */
export function openFolder(path: string, options: OpenFolderOptions = {}): Folder {
  const name = printablePath(withoutEnd(path));
  return {
    name,
    async list() {
      try {
        return await nodeFileSystem.readdir(path);
      } catch (cause) {
        throw ioError(cause, { file: name, action: 'list the folder' });
      }
    },
    open: (file) => openInFolder(path, file, file === options.namedFile),
  };
}

/** A path without separators at its end; what is a root stays one. */
function withoutEnd(path: string): string {
  const separators = sep === '/' ? /\/+$/ : /[\\/]+$/;
  const short = path.replace(separators, '');
  return short === '' || short.endsWith(':') ? path : short;
}

/** Finds what `--model` names: a folder, or one weights file with its configuration beside it.
 *  @throws io-not-found, io-not-a-file, io-failed */
export async function locateModel(path: string): Promise<NamedModel> {
  try {
    const state = await nodeFileSystem.stat(path, { bigint: true });
    if (state.isDirectory()) {
      return { folder: openFolder(path), weights: undefined, named: undefined };
    }
    if (!state.isFile()) throw notFileError(printablePath(path), state);
  } catch (cause) {
    throw ioError(cause, { file: path, action: 'open the model' });
  }
  const named = basename(path);
  const weights = meansFolder(named) ? undefined : named;
  return { folder: openFolder(dirname(path), { namedFile: named }), weights, named };
}

async function openInFolder(path: string, file: string, isNamed: boolean): Promise<ByteSource> {
  expectFileName(printablePath(path), file, basename(file) === file);
  const name = join(path, file);
  try {
    const root = await nodeFileSystem.realpath(path);
    const target = await nodeFileSystem.realpath(name);
    if (!isNamed && !isInside(root, target) && !isCacheBlob(root, target)) {
      throw symlinkError(name, target);
    }
    return await openFile(target, { name });
  } catch (cause) {
    throw ioError(cause, { file: name, action: 'open the file' });
  }
}

function isInside(root: string, target: string): boolean {
  const way = relative(root, target);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** True when `root` is in a `models--*` folder of the cache, and `target` in its blobs. */
function isCacheBlob(root: string, target: string): boolean {
  const parts = root.split(sep);
  const index = parts.findLastIndex((part) => part.startsWith('models--'));
  return index >= 0 && dirname(target) === [...parts.slice(0, index + 1), 'blobs'].join(sep);
}

function symlinkError(name: string, target: string): BaichuanError {
  return new BaichuanError('index-symlink', {
    file: printablePath(name),
    what: `this is a symbolic link out of the folder, to ${quote(target)}; it was not opened.`,
    fix: 'Put the file itself into the folder.',
    expected: 'a file in the folder',
    found: quote(target),
  });
}
