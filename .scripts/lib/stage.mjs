/** One stage of the build: inputs → outputs, redone only when an input or output has changed.
 *
 *  A stage compiles into a temporary folder, renames its files into place one by one and writes
 *  its stamp last, having removed it first. The stamp names every input (size, times, SHA-256)
 *  and every output (size, time, inode), so a build that was interrupted, or that ran into
 *  another one, leaves no stamp that matches what lies there, and the next build mends it. */

import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ROOT } from './command.mjs';

/** @typedef {{ size: number, mtimeMs: number, ctimeMs: number, sha256: string }} Input */
/** @typedef {{ size: number, mtimeMs: number, ino: number }} Output */
/** @typedef {{ inputs: Record<string, Input>, outputs: Record<string, Output> }} Stamp */

/** @typedef {object} Stage
 *  @property {string} name
 *  @property {string} stamp path of the stamp
 *  @property {() => string[]} inputs the files that decide the outputs
 *  @property {(folder: string) => Promise<Map<string, string>>} compile fills the temporary
 *    folder and returns, for every output's path, the file in that folder */

/** Every file below a folder of the repository, in a fixed order, as paths from the root.
 *  @param {string} folder @returns {string[]} */
export function listFiles(folder) {
  const absolute = path.resolve(ROOT, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
    .map((file) => file.split(path.sep).join('/'))
    .sort();
}

/** Brings a stage up to date.
 *  @param {Stage} stage @param {(line: string) => void} log
 *  @returns {Promise<boolean>} whether anything had to be compiled */
export async function runStage(stage, log) {
  const stamp = readStamp(stage.stamp);
  const before = describeInputs(stage.inputs(), stamp);
  if (stamp !== undefined && outputsStand(stamp)) {
    if (sameContents(before, stamp.inputs)) {
      if (JSON.stringify(before) !== JSON.stringify(stamp.inputs)) {
        writeStamp(stage.stamp, { ...stamp, inputs: before });
      }
      return false;
    }
  }

  log(`building ${stage.name}`);
  const folder = path.join(ROOT, `.dist-${process.pid}`);
  try {
    mkdirSync(folder, { recursive: true });
    const files = await stage.compile(folder);
    const outputs = install(stage.stamp, files);
    removeStale(stamp, outputs);
    writeStamp(stage.stamp, { inputs: before, outputs });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return true;
}

/** @param {string} file @returns {Stamp | undefined} */
function readStamp(file) {
  try {
    return JSON.parse(readFileSync(path.join(ROOT, file), 'utf8'));
  } catch {
    return undefined;
  }
}

/** Hashes only what size and times do not show to be unchanged.
 *  @param {string[]} files @param {Stamp | undefined} stamp
 *  @returns {Record<string, Input>} */
function describeInputs(files, stamp) {
  /** @type {Record<string, Input>} */
  const inputs = {};
  for (const file of files) {
    const absolute = path.join(ROOT, file);
    const { size, mtimeMs, ctimeMs } = statSync(absolute);
    const known = stamp?.inputs[file];
    const isKnown = known?.size === size && known.mtimeMs === mtimeMs && known.ctimeMs === ctimeMs;
    const sha256 = isKnown
      ? known.sha256
      : createHash('sha256').update(readFileSync(absolute)).digest('hex');
    inputs[file] = { size, mtimeMs, ctimeMs, sha256 };
  }
  return inputs;
}

/** @param {Record<string, Input>} found @param {Record<string, Input>} stamped */
function sameContents(found, stamped) {
  const names = Object.keys(found);
  if (names.length !== Object.keys(stamped).length) return false;
  return names.every((name) => stamped[name]?.sha256 === found[name]?.sha256);
}

/** @param {Stamp} stamp */
function outputsStand(stamp) {
  return Object.entries(stamp.outputs).every(([file, output]) => {
    const found = statSync(path.join(ROOT, file), { throwIfNoEntry: false });
    if (found === undefined) return false;
    const { size, mtimeMs, ino } = output;
    return found.size === size && found.mtimeMs === mtimeMs && found.ino === ino;
  });
}

/** Renames the compiled files into place; a reader sees each one whole, old or new.
 *  @param {string} stampFile @param {Map<string, string>} files
 *  @returns {Record<string, Output>} */
function install(stampFile, files) {
  rmSync(path.join(ROOT, stampFile), { force: true });
  /** @type {Record<string, Output>} */
  const outputs = {};
  for (const [file, compiled] of files) {
    const target = path.join(ROOT, file);
    const { size, mtimeMs, ino } = statSync(compiled);
    mkdirSync(path.dirname(target), { recursive: true });
    renameSync(compiled, target);
    outputs[file] = { size, mtimeMs, ino };
  }
  return outputs;
}

/** Removes what the stage made before and makes no more.
 *  @param {Stamp | undefined} stamp @param {Record<string, Output>} outputs */
function removeStale(stamp, outputs) {
  for (const file of Object.keys(stamp?.outputs ?? {})) {
    if (outputs[file] === undefined) rmSync(path.join(ROOT, file), { force: true });
  }
}

/** @param {string} file @param {Stamp} stamp */
function writeStamp(file, stamp) {
  const target = path.join(ROOT, file);
  const temporary = `${target}.${process.pid}`;
  writeFileSync(temporary, JSON.stringify(stamp));
  renameSync(temporary, target);
}
