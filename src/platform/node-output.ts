/** Looking before writing: whether a target is one of the inputs, is there already, or would not
 *  fit the disk. */

import * as nodeFileSystem from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { BaichuanError } from '../errors.ts';
import { existsError, printablePath } from './node-errors.ts';

/** Refuses a target that is an input, or a folder that holds one.
 *  @param inputs paths; what is not there is passed over
 *  @param option that names the target @throws option-value */
export async function expectNoInput(
  target: string,
  inputs: readonly string[],
  option = '--out',
): Promise<void> {
  const there = await stateOf(target);
  if (there === undefined) return;
  const root = await nodeFileSystem.realpath(target);
  for (const input of inputs) {
    const state = await stateOf(input);
    if (state === undefined) continue;
    const isSame = state.ino === there.ino && state.dev === there.dev;
    const path = await nodeFileSystem.realpath(input);
    if (isSame || path === root || path.startsWith(`${root}${sep}`))
      throw inputError(target, input, option);
  }
}

/** A file to write, and the option that names it. */
export interface NamedTarget {
  readonly option: string;
  readonly path: string;
}

/** Refuses two targets that are one file, there already or not. @throws option-value */
export async function expectApart(one: NamedTarget, other: NamedTarget): Promise<void> {
  if ((await placeOf(one.path)) !== (await placeOf(other.path))) return;
  throw new BaichuanError('option-value', {
    where: one.option,
    what: `${printablePath(one.path)} is what ${other.option} writes as well.`,
    fix: 'Give each output a file of its own.',
  });
}

/** Where a path leads, with links followed as far as there is something. */
async function placeOf(path: string): Promise<string> {
  const there = await nodeFileSystem.realpath(path).catch(() => undefined);
  if (there !== undefined) return there;
  const folder = dirname(resolve(path));
  return join(await nodeFileSystem.realpath(folder).catch(() => folder), basename(path));
}

/** Refuses to replace a file without being told. @throws io-exists */
export async function expectFree(target: string): Promise<void> {
  const state = await stateOf(target);
  if (state?.isFile() === true) throw existsError(target, 'the file is there already');
}

/** Refuses what would not fit the disk of a target. @throws io-no-space */
export async function expectSpace(target: string, byteLength: number): Promise<void> {
  const state = await nodeFileSystem.statfs(dirname(target)).catch(() => undefined);
  const free = state === undefined ? 0 : state.bavail * state.bsize;
  // Some file systems do not say: the disk itself will tell then.
  if (free === 0 || byteLength <= free) return;
  const [needed, left] = [byteLength, free].map((bytes) => `${(bytes / 1e6).toFixed(1)} MB`);
  throw new BaichuanError('io-no-space', {
    file: printablePath(target),
    what: `${needed} would be written, but the disk has only ${left} free; nothing was written.`,
    fix: 'Free some space, or write to another disk.',
    expected: byteLength,
    found: free,
  });
}

async function stateOf(path: string) {
  return nodeFileSystem.stat(path, { bigint: true }).catch(() => undefined);
}

function inputError(target: string, input: string, option: string): BaichuanError {
  return new BaichuanError('option-value', {
    where: option,
    what: `${printablePath(target)} is or holds an input, ${printablePath(input)}.`,
    fix: 'Write to another place: an input is never overwritten.',
  });
}
