/** A lock file that lets builds take turns.
 *
 *  It saves work and guards nothing: `stage.mjs` stays correct when two builds meet. So a lock
 *  whose owner has ended, or that was held for too long, is simply taken over. */

import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 120_000;

/** Runs an action while holding the lock.
 *  @template Result
 *  @param {string} file @param {() => Promise<Result>} action @returns {Promise<Result>} */
export async function withLock(file, action) {
  while (!tryTake(file)) await sleep(100);
  try {
    return await action();
  } finally {
    if (readOwner(file) === process.pid) rmSync(file, { force: true });
  }
}

/** @param {string} file */
function tryTake(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  const takenMs = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  const owner = readOwner(file);
  const isHeld = Date.now() - takenMs < PATIENCE_MS && (owner === undefined || isAlive(owner));
  if (!isHeld) rmSync(file, { force: true });
  return false;
}

/** @param {string} file @returns {number | undefined} */
function readOwner(file) {
  try {
    return Number(readFileSync(file, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
