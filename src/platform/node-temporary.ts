/** Temporary files and folders beside what they will become: their names, and that none stays when
 *  the process ends before its time (a second Ctrl-C). */

import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
