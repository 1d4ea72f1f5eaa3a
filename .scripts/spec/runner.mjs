/** Runs spec files, each in a process of its own, and judges them by what they recorded. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../lib/command.mjs';

const TSX = import.meta.resolve('tsx');
const PRELOAD = new URL('./preload.mjs', import.meta.url).href;
const OUTPUT_LINES = 40;

/** @typedef {{ file: string, passed: number, failures: string[], seconds: number }} FileResult */
/** @typedef {object} End how a process ended
 *  @property {number | null} code @property {string | null} signal
 *  @property {boolean} isLate @property {string} output */

/** @typedef {object} RunOptions
 *  @property {number} jobs how many files run at a time
 *  @property {number} limitMs how long a file may take
 *  @property {(result: FileResult) => void} onResult called as each file ends */

/** Process groups of the files that run now, by the id of their leader. @type {Set<number>} */
const running = new Set();

/** @param {string[]} files paths from the root or absolute @param {RunOptions} options
 *  @returns {Promise<FileResult[]>} in the order of `files` */
export async function runSpecs(files, options) {
  /** @type {FileResult[]} */
  const results = [];
  let next = 0;
  const takeTurns = async () => {
    while (next < files.length) {
      const index = next++;
      results[index] = await runSpec(files[index] ?? '', options.limitMs);
      options.onResult(results[index]);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, takeTurns));
  return results;
}

/** Ends what still runs, with everything it started. */
export function stopSpecs() {
  for (const pid of running) killGroup(pid);
}

/** @param {string} file @param {number} limitMs @returns {Promise<FileResult>} */
async function runSpec(file, limitMs) {
  const folder = mkdtempSync(path.join(tmpdir(), 'spec-'));
  const reportFile = path.join(folder, 'report.json');
  const begin = performance.now();
  try {
    const end = await runProcess(path.resolve(ROOT, file), reportFile, limitMs);
    const seconds = (performance.now() - begin) / 1000;
    /** @type {import('./record.mjs').Report | undefined} */
    const report = existsSync(reportFile)
      ? JSON.parse(readFileSync(reportFile, 'utf8'))
      : undefined;
    const tests = report?.suites.flatMap((suite) => suite.tests) ?? [];
    const passed = tests.filter((test) => test.state === 'passed').length;
    return { file, passed, failures: judge(report, end, limitMs), seconds };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} file @param {string} reportFile @param {number} limitMs
 *  @returns {Promise<End>} */
function runProcess(file, reportFile, limitMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', TSX, '--import', PRELOAD, file], {
      cwd: ROOT,
      env: { ...process.env, SPEC_REPORT: reportFile },
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

  const tail = end.output.trimEnd().split('\n').slice(-OUTPUT_LINES).join('\n');
  if (end.isLate) {
    failures.push(`the file was ended after ${limitMs / 1000} s; its last output:\n${tail}`);
  } else if (report === undefined) {
    failures.push(`the file ended (${end.signal ?? end.code}) without a report:\n${tail}`);
  } else if (tests.length === 0 && failures.length === 0) {
    failures.push(`the file reports no test; its last output:\n${tail}`);
  }
  if (failures.length === 0 && end.code !== 0) {
    failures.push(`the file ended with ${end.signal ?? end.code}; its last output:\n${tail}`);
  }
  return failures;
}
