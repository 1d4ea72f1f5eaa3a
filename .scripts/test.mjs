/** Builds, checks, runs the specs; the last line is `N passed, N failed`.
 *
 *  Usage: node .scripts/test.mjs [--suite main|shared] [--folder DIR] [--limit SECONDS] [FILTER…]
 *  `main` (the default) is every spec but those of spec/shared/, which need data that is not in
 *  this repository. With a filter, only the files whose path contains one of the words run, and
 *  the checks are left out. `--folder` runs the specs of that folder and nothing else. */

import { parseArgs } from 'node:util';
import { BuildError, build } from './build.mjs';
import { check, STEPS } from './check.mjs';
import { listFiles } from './lib/stage.mjs';
import { printResult, runSpecs, stopSpecsOnSignals } from './spec/runner.mjs';

const SHARED = 'spec/shared/';

/** @param {string} line */
const print = (line) => process.stdout.write(`${line}\n`);

stopSpecsOnSignals();

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    suite: { type: 'string', default: 'main' },
    folder: { type: 'string' },
    limit: { type: 'string', default: '300' },
  },
});

await main();

async function main() {
  if (options.folder === undefined && !(await tryBuild())) return finish(0, 1);
  const isWhole = options.folder === undefined && options.suite === 'main' && filters.length === 0;
  let failed = isWhole ? await check(STEPS) : 0;

  const all = selectFiles();
  const files = all.filter((file) => matches(file));
  if (files.length < all.length) {
    print(`${files.length} of ${all.length} spec files match ${filters.join(' ')}; no checks run`);
  }
  if (files.length === 0) {
    print('there is no spec file to run');
    return finish(0, failed + 1);
  }

  for (const file of misnamedFiles()) {
    print(`${file}  never runs: a spec is named *.spec.ts`);
    failed += 1;
  }

  const limitMs = Number(options.limit) * 1000;
  const results = await runSpecs(files, { jobs: 2, limitMs, onResult: printResult });
  let passed = 0;
  for (const result of results) {
    passed += result.passed;
    failed += result.failures.length;
  }
  finish(passed, failed);
}

/** @returns {Promise<boolean>} whether `dist/` is up to date */
async function tryBuild() {
  try {
    await build(print);
    return true;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    print(error.message);
    return false;
  }
}

/** @returns {string[]} */
function selectFiles() {
  const folder = options.folder ?? 'spec';
  const files = listFiles(folder).filter((file) => file.endsWith('.spec.ts'));
  if (options.folder !== undefined) return files;
  return files.filter((file) => file.startsWith(SHARED) === (options.suite === 'shared'));
}

/** Files that look like specs and are none: nothing would run them.
 *  @returns {string[]} */
function misnamedFiles() {
  const files = listFiles(options.folder ?? 'spec');
  return files.filter((file) => /[._](test|spec)s?\.\w+$/.test(file) && !/\.spec\.ts$/.test(file));
}

/** @param {string} file */
function matches(file) {
  return filters.length === 0 || filters.some((filter) => file.includes(filter));
}

/** @param {number} passed @param {number} failed */
function finish(passed, failed) {
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
