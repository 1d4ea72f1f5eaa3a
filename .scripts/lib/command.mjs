/** Runs the commands of the development tools: installed binaries through this very Node. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The root of the repository. */
export const ROOT = path.resolve(import.meta.dirname, '../..');

/** @typedef {{ code: number, output: string }} Outcome */

/** Runs a command to its end, its stdout and stderr gathered in order of arrival.
 *  @param {string} file @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 *  @returns {Promise<Outcome>} code 1 also stands for death by a signal */
export function run(file, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    /** @type {Buffer[]} */
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString('utf8') });
    });
  });
}

/** Runs the binary of an installed package, found without npx and without a shell.
 *  @param {string} packageName @param {string} binary @param {string[]} args
 *  @returns {Promise<Outcome>} */
export function runTool(packageName, binary, args) {
  const folder = path.join(ROOT, 'node_modules', packageName);
  const { bin } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = typeof bin === 'string' ? bin : bin[binary];
  return run(process.execPath, [path.join(folder, file), ...args]);
}

/** Whether this module is the one that Node was asked to run.
 *  @param {string} filename `import.meta.filename` */
export function isMain(filename) {
  return process.argv[1] !== undefined && path.resolve(process.argv[1]) === filename;
}
