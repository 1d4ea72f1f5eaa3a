/** Everything that can be judged without running the library: types, kernels, lint and format, and
 *  the rules of the house style.
 *
 *  Usage: node .scripts/check.mjs */

import { BuildError, buildKernels } from './build.mjs';
import { isMain, runTool } from './lib/command.mjs';
import { runSpecs } from './spec/runner.mjs';

/** @typedef {{ name: string, run: () => Promise<string> }} Step `run` returns what is wrong */

/** @type {Step[]} */
export const STEPS = [
  { name: 'kernels, release and debug (asc)', run: checkKernels },
  {
    name: 'types of src/, spec/, bench/ (tsc)',
    run: () => tool('typescript', 'tsc', ['--noEmit']),
  },
  {
    name: 'types of .scripts/ (tsc)',
    run: () => tool('typescript', 'tsc', ['--noEmit', '-p', '.scripts']),
  },
  {
    name: 'lint and format (biome)',
    run: () => tool('@biomejs/biome', 'biome', ['ci', '--error-on-warnings', '--colors=off']),
  },
];

/** @type {Step} */
const HOUSE_STYLE = { name: 'house style (spec/architecture.spec.ts)', run: checkHouseStyle };

/** Runs steps in order and prints a line for each.
 *  @param {Step[]} steps @returns {Promise<number>} how many failed */
export async function check(steps) {
  let failed = 0;
  for (const { name, run } of steps) {
    const begin = performance.now();
    const problem = await run();
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    process.stdout.write(`${problem === '' ? 'ok    ' : 'FAILED'} ${name}  ${seconds} s\n`);
    if (problem !== '') {
      process.stdout.write(`${problem.trimEnd().replace(/^/gm, '    ')}\n`);
      failed += 1;
    }
  }
  return failed;
}

async function checkKernels() {
  try {
    await buildKernels(() => {});
    return '';
  } catch (error) {
    if (error instanceof BuildError) return error.message;
    throw error;
  }
}

async function checkHouseStyle() {
  const options = { jobs: 1, limitMs: 300_000, onResult: () => {} };
  const [result] = await runSpecs(['spec/architecture.spec.ts'], options);
  return result?.failures.join('\n') ?? '';
}

/** @param {string} packageName @param {string} binary @param {string[]} args */
async function tool(packageName, binary, args) {
  const { code, output } = await runTool(packageName, binary, args);
  return code === 0 ? '' : output || `${binary} ended with ${code}`;
}

if (isMain(import.meta.filename)) {
  const failed = await check([...STEPS, HOUSE_STYLE]);
  process.exitCode = failed === 0 ? 0 : 1;
}
