/** Runs spec files, each in a process of its own, and judges them by what they recorded. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../lib/command.mjs';

const TSX = import.meta.resolve('tsx');
const PRELOAD = new URL('./preload.mjs', import.meta.url).href;
const MAIN = path.join(import.meta.dirname, 'main.mjs');
const OUTPUT_LINES = 40;

/** @typedef {object} FileResult
 *  @property {string} file @property {number} passed @property {string[]} failures
 *  @property {number} tests how many the file registered @property {number} seconds */
/** @typedef {object} End how a process ended
 *  @property {number | null} code @property {string | null} signal
 *  @property {boolean} isLate @property {string} output */

/** @typedef {object} RunOptions
 *  @property {number} jobs how many files run at a time
 *  @property {number} limitMs how long a file may take
 *  @property {(result: FileResult) => void} onResult called as each file ends
 *  @property {string} [node] another Node than this one */

/** Process groups of the files that run now, by the id of their leader. @type {Set<number>} */
const running = new Set();

/** @param {string[]} files paths from the root or absolute @param {RunOptions} options
 *  @returns {Promise<FileResult[]>} in the order of `files` */
export function runSpecs(files, options) {
  return inTurns(files, options, (file) => runSpec(file, options));
}

/** Judges every file, some at a time.
 *  @param {string[]} files @param {Pick<RunOptions, 'jobs' | 'onResult'>} options
 *  @param {(file: string) => Promise<FileResult>} judgeFile
 *  @returns {Promise<FileResult[]>} in the order of `files` */
export async function inTurns(files, { jobs, onResult }, judgeFile) {
  /** @type {FileResult[]} */
  const results = [];
  let next = 0;
  const takeTurns = async () => {
    while (next < files.length) {
      const index = next++;
      results[index] = await judgeFile(files[index] ?? '');
      onResult(results[index]);
    }
  };
  await Promise.all(Array.from({ length: jobs }, takeTurns));
  return results;
}

/** Prints one line for a file, and its failures below.
 *  @param {FileResult} result */
export function printResult({ file, passed, failures, seconds }) {
  const counts =
    failures.length === 0 ? `${passed}` : `${passed} passed, ${failures.length} FAILED`;
  process.stdout.write(`${file}  ${counts}  ${seconds.toFixed(1)} s\n`);
  for (const failure of failures) {
    process.stdout.write(`${failure.replace(/^/gm, '      ').slice(2)}\n`);
  }
}

/** On Ctrl-C, ends what still runs with everything it started: it stands in groups of its own. */
export function stopSpecsOnSignals() {
  for (const [signal, code] of /** @type {const} */ ([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])) {
    process.on(signal, () => {
      for (const pid of running) killGroup(pid);
      process.exit(code);
    });
  }
}

/** @param {string} file @param {RunOptions} options @returns {Promise<FileResult>} */
async function runSpec(file, { node = process.execPath, limitMs }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'spec-'));
  const reportFile = path.join(folder, 'report.json');
  const begin = performance.now();
  try {
    const args = ['--import', TSX, '--import', PRELOAD, MAIN, path.resolve(ROOT, file)];
    const end = await runProcess(node, args, { SPEC_REPORT: reportFile, NO_COLOR: '1' }, limitMs);
    const seconds = (performance.now() - begin) / 1000;
    /** @type {import('./record.mjs').Report | undefined} */
    const report = existsSync(reportFile)
      ? JSON.parse(readFileSync(reportFile, 'utf8'))
      : undefined;
    const tests = report?.suites.flatMap((suite) => suite.tests) ?? [];
    const passed = tests.filter((test) => test.state === 'passed').length;
    const failures = judge(report, end, limitMs);
    return { file, tests: tests.length, passed, failures, seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a command from the root, to its end or its limit, and ends what it started with it.
 *  @param {string} command @param {string[]} args @param {Record<string, string>} variables
 *  @param {number} limitMs @returns {Promise<End>} */
export function runProcess(command, args, variables, limitMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // its own group, so that what it started can be ended with it
    });
    const pid = child.pid ?? 0;
    if (pid > 0) running.add(pid);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      killGroup(pid);
    }, limitMs);
    /** @type {Buffer[]} */
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', reject);
    // A process that the spec started and left behind would keep the pipes open.
    child.on('exit', () => killGroup(pid));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      running.delete(pid);
      resolve({ code, signal, isLate, output: Buffer.concat(chunks).toString('utf8') });
    });
  });
}

/** The last lines of what a process printed. @param {End} end */
export function tailOf({ output }) {
  return output.trimEnd().split('\n').slice(-OUTPUT_LINES).join('\n');
}

/** @param {number} pid */
function killGroup(pid) {
  try {
    if (pid > 0) process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended already.
  }
}

/** Everything that is wrong with a file, one text each.
 *  @param {import('./record.mjs').Report | undefined} report @param {End} end
 *  @param {number} limitMs @returns {string[]} */
function judge(report, end, limitMs) {
  const failures = [];
  const suites = report?.suites ?? [];
  const tests = suites.flatMap((suite) => suite.tests);
  for (const { title, state, text } of tests) {
    if (state === 'failed') failures.push(`${title}\n${text}`);
  }
  failures.push(...(report?.faults ?? []));
  for (const suite of suites) {
    const waiting = suite.tests.filter((test) => test.state === 'waiting');
    if (waiting.length === 0) continue;
    const reason = suite.hasRun ? 'never ran to the end' : 'never ran, because run() is missing';
    failures.push(...waiting.map((test) => `${test.title}\n${reason}`));
  }

  const tail = tailOf(end);
  if (end.isLate) {
    failures.push(`the file was ended after ${limitMs / 1000} s; its last output:\n${tail}`);
  } else if (report === undefined) {
    failures.push(`the file ended (${end.signal ?? end.code}) without a report:\n${tail}`);
  } else if (!report.progress.isEvaluated) {
    failures.push(`the file was not evaluated to its end; its last output:\n${tail}`);
  } else if (!report.progress.isDone) {
    failures.push(`the file ended before all its suites had run; its last output:\n${tail}`);
  } else if (tests.length === 0 && failures.length === 0) {
    failures.push(`the file reports no test; its last output:\n${tail}`);
  }
  if (failures.length === 0 && end.code !== 0) {
    failures.push(`the file ended with ${end.signal ?? end.code}; its last output:\n${tail}`);
  }
  return failures;
}
