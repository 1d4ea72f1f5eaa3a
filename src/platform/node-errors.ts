/** Errors of Node's file system → `BaichuanError`, with the errno, the path and the place kept. */
import { BaichuanError, type ErrorCode } from '../errors.ts';

/** What was being done. */
export interface IoPlace {
  file: string;
  /** The byte concerned, if one is. */
  byteOffset?: number | undefined;
  /** In the infinitive, for the message: `read`. */
  action: string;
}

const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['ENOENT', 'io-not-found'],
  ['ENOTDIR', 'io-not-found'],
  ['ERR_INVALID_ARG_VALUE', 'io-not-found'],
  ['EISDIR', 'io-not-a-file'],
  ['ENXIO', 'io-not-a-file'],
  ['ENODEV', 'io-not-a-file'],
  ['ENOSPC', 'io-no-space'],
  ['EDQUOT', 'io-no-space'],
  ['EFBIG', 'io-no-space'],
] satisfies [string, ErrorCode][]);

const REASONS: ReadonlyMap<string, readonly [what: string, fix: string]> = new Map([
  ['ENOENT', ['there is no such file', 'Check the path, also upper and lower case.']],
  ['ENOTDIR', ['a part of the path is no folder', 'Check the path.']],
  ['ERR_INVALID_ARG_VALUE', ['no file can have this path', 'Check the path.']],
  ['EISDIR', ['it is a folder', 'Give the path of a file.']],
  ['ENXIO', ['it is no regular file', 'Give the path of a regular file.']],
  ['ENODEV', ['it is no regular file', 'Give the path of a regular file.']],
  ['EACCES', ['access is denied', 'Change the permissions of the file or of its folders.']],
  ['EPERM', ['access is denied', 'Change the permissions of the file or of its folders.']],
  ['EROFS', ['the file system is read-only', 'Write to another place.']],
  [
    'EIO',
    ['the disk reports an error', 'Check the disk, and copy the file from its source again.'],
  ],
  ['ENOSPC', ['the disk is full', 'Free some space or write to another disk.']],
  ['EDQUOT', ['the quota is used up', 'Free some space or write to another disk.']],
  ['EFBIG', ['the file would be too large', 'Write to a file system that takes large files.']],
  ['EMFILE', ['too many files are open', 'Raise the limit of open files (ulimit -n).']],
  ['ENAMETOOLONG', ['the path is too long', 'Use a shorter path.']],
  ['EBUSY', ['the system uses it, as a mount point perhaps', 'Write to another place.']],
  ['ELOOP', ['its symbolic links lead nowhere', 'Give the path of the file itself.']],
]);

/** The error for a failed call of the file system. An error of ours is handed on. */
export function ioError(cause: unknown, { file, byteOffset, action }: IoPlace): BaichuanError {
  if (cause instanceof BaichuanError) return cause;
  const errno = errnoOf(cause);
  const [reason, fix] = REASONS.get(errno) ?? ['the system refuses', 'See the cause, and retry.'];
  return new BaichuanError(CODES.get(errno) ?? 'io-failed', {
    file: printablePath(file),
    where: byteOffset === undefined ? undefined : `byte ${byteOffset}`,
    what: `cannot ${action}: ${reason} (${errno}).`,
    fix,
    found: errno,
    cause,
  });
}

/** The error for something that would be overwritten. */
export function existsError(path: string, what: string, fix?: string): BaichuanError {
  return new BaichuanError('io-exists', {
    file: printablePath(path),
    what: `${what}; nothing was written.`,
    fix: fix ?? 'Write to another place, or add --force to replace it.',
  });
}

/** The errno name of an error, such as `ENOENT`. */
export function errnoOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? code : 'unknown error';
}

/** A path that a terminal takes for text only. */
export function printablePath(path: string): string {
  return path.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
