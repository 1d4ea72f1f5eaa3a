/** Runs the specs in the newest Node, Deno and Bun; the last line is `N passed, N failed`.
 *
 *  Usage: node .scripts/runtimes.mjs [FILTER…]
 *  The versions are those of .scripts/runtimes.json, installed into .runtimes/. Node runs the files
 *  as `npm test` does; Deno and Bun run each one as it is, must report as many tests as Node, all
 *  passed, and end well. Specs of the tooling and the command line, and those that start Node
 *  themselves, run in Node 20 only. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildKernels, buildOrExit } from './build.mjs';
import { ROOT, run } from './lib/command.mjs';
import { listFiles } from './lib/stage.mjs';
import {
  inTurns,
  printResult,
  runProcess,
  runSpecs,
  stopSpecsOnSignals,
  tailOf,
} from './spec/runner.mjs';

const FOLDER = path.join(ROOT, '.runtimes');
const PINNED = path.join(ROOT, '.scripts/runtimes.json');
const NODE_ONLY = /^spec\/(tooling|shared|cli)\/|^spec\/(architecture|docs|peak-memory)\.spec\.ts$/;
const LIMIT_MS = 300_000;

/** Prints one line per thing that must have the same bits everywhere. */
const BITS = 'spec/runtimes/bits.ts';

/** How each other runtime is told to run a file. */
const OTHERS = { deno: ['run', '--allow-all', '--quiet'], bun: ['run'] };

const print = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

stopSpecsOnSignals();
await main();

async function main() {
  await buildOrExit(buildKernels);
  await install();
  const filters = process.argv.slice(2);
  const files = listFiles('spec')
    .filter((file) => file.endsWith('.spec.ts') && !NODE_ONLY.test(file))
    .filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  let passed = 0;
  let failed = files.length === 0 ? 1 : 0;

  const options = { jobs: 2, onResult: printResult };
  await announce('node');
  const node = binary('node');
  const ofNode = await runSpecs(files, { ...options, limitMs: LIMIT_MS, node });
  const tests = new Map(ofNode.map((result) => [result.file, result.tests]));
  const results = [ofNode];
  for (const [runtime, args] of Object.entries(OTHERS)) {
    await announce(runtime);
    results.push(
      await inTurns(files, options, (file) =>
        runPlain([binary(runtime), ...args, file], file, tests.get(file) ?? 0),
      ),
    );
  }

  if (filters.length === 0) results.push(await compareBits());
  for (const result of results.flat()) {
    passed += result.passed;
    failed += result.failures.length;
  }
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** The hashes of spec/runtimes/bits.ts in every runtime against those of this one.
 *  @returns {Promise<import('./spec/runner.mjs').FileResult[]>} */
async function compareBits() {
  print('== the same bits in every runtime');
  const tsx = ['--import', 'tsx', BITS];
  const expected = await bitsOf(process.execPath, tsx);
  const runtimes = { node: tsx, deno: [...OTHERS.deno, BITS], bun: [...OTHERS.bun, BITS] };
  const results = [];
  for (const [name, args] of Object.entries(runtimes)) {
    const found = await bitsOf(binary(name), args);
    const lines = expected.lines.filter((line, i) => line !== found.lines[i]);
    const same = found.code === 0 && expected.code === 0 && lines.length === 0;
    const failures = same
      ? []
      : [`other bits than ${process.version}:\n${lines.join('\n')}\n${found.output}`];
    const result = { file: `${BITS} in ${name}`, tests: 1, passed: same ? 1 : 0, failures };
    results.push({ ...result, seconds: found.seconds });
    printResult(results[results.length - 1]);
  }
  return results;
}

/** @param {string} command @param {string[]} args */
async function bitsOf(command, args) {
  const begin = performance.now();
  const { code, output } = await runProcess(command, args, { NO_COLOR: '1' }, LIMIT_MS);
  const lines = output.trimEnd().split('\n');
  const seconds = (performance.now() - begin) / 1000;
  return { code: lines.length < 10 ? 1 : code, output, lines, seconds };
}

/** Installs the pinned runtimes, unless they lie there. */
async function install() {
  const pinned = readFileSync(PINNED, 'utf8');
  const stamp = path.join(FOLDER, 'installed');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === pinned) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(path.join(FOLDER, 'package.json'), pinned);
  const { code, output } = await run('npm', ['install', '--no-package-lock', '--prefix', FOLDER]);
  if (code !== 0) {
    print(output);
    print('0 passed, 1 failed');
    process.exit(1);
  }
  writeFileSync(stamp, pinned);
}

/** @param {string} runtime */
function binary(runtime) {
  return path.join(FOLDER, 'node_modules/.bin', runtime);
}

/** @param {string} runtime */
async function announce(runtime) {
  const { output } = await run(binary(runtime), ['--version']);
  print(`== ${runtime} ${/\d+\.\d+\.\d+/.exec(output)?.[0] ?? output}`);
}

/** Runs a file without the recorder and reads what uvu printed.
 *  @param {string[]} command @param {string} file @param {number} tests how many Node found
 *  @returns {Promise<import('./spec/runner.mjs').FileResult>} */
async function runPlain([command = '', ...args], file, tests) {
  const begin = performance.now();
  const end = await runProcess(command, args, { NO_COLOR: '1' }, LIMIT_MS);
  const seconds = (performance.now() - begin) / 1000;
  const total = Number(/^ {2}Total: +(\d+)$/m.exec(end.output)?.[1] ?? 0);
  const passed = Number(/^ {2}Passed: +(\d+)$/m.exec(end.output)?.[1] ?? 0);
  const failures = [];
  const isWhole = end.code === 0 && tests > 0 && total === tests && passed === tests;
  if (!isWhole) {
    const ending = end.isLate ? `after ${LIMIT_MS / 1000} s` : `with ${end.signal ?? end.code}`;
    const counts = `${passed} of ${tests} tests passed, ${total} ran; ended ${ending}`;
    failures.push(`${counts}; its last output:\n${tailOf(end)}`);
  }
  return { file, tests: total, passed, failures, seconds };
}
