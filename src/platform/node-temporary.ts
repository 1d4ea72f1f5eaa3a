/** Temporary files and folders beside what they will become: their names, and that none stays when
 *  the process ends before its time (a second Ctrl-C). */

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';

/** Path → what to do about it when the process ends. */
const pending = new Map<string, () => void>();

/** A free name in the folder of a target, so that a rename suffices. What a killed process left
 *  may be of the same number: in a container every run has it.
 *  @param ending after the last dot */
export function temporaryBeside(target: string, ending = 'tmp'): string {
  const random = randomUUID().slice(-12);
  return join(dirname(target), `.baichuan-${process.pid}-${random}.${ending}`);
}

const TEMPORARY_NAME = /^\.baichuan-(\d+)-[0-9a-f]{12}\.(?:tmp|old)$/;

/** What killed runs left beside a target. A run on another machine that shares the folder cannot be
 *  told from one that is gone: nothing is removed here.
 *  @returns paths: `.tmp` is unfinished, `.old` was to be replaced */
export async function leftBeside(target: string): Promise<string[]> {
  const folder = dirname(target);
  const names = await readdir(folder).catch(() => []);
  const pidOf = (name: string) => Number(TEMPORARY_NAME.exec(name)?.[1]);
  return names.filter((name) => isGone(pidOf(name))).map((name) => join(folder, name));
}

function isGone(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/** Where a link points to that leads to nothing yet; of any other path itself. */
export async function pathBehind(path: string): Promise<string> {
  const state = await lstat(path).catch(() => undefined);
  if (state?.isSymbolicLink() !== true) return path;
  return pathBehind(resolve(await realpath(dirname(path)), await readlink(path)));
}

/** Removes a file or a folder when the process ends.
 *  @param first done before */
export function removeAtExit(path: string, first: () => void = () => {}): void {
  if (pending.size === 0) process.on('exit', clean);
  pending.set(path, () => {
    first();
    rmSync(path, { recursive: true, force: true });
  });
}

/** Forgets a path: it is gone, or is what it was to become. */
export function keepAtExit(path: string): void {
  pending.delete(path);
  if (pending.size === 0) process.off('exit', clean);
}

function clean(): void {
  for (const action of pending.values()) {
    try {
      action();
    } catch {
      // The next one may still be removed.
    }
  }
}
