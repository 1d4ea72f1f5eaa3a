/** Fuzzes the readers for as long as it is told; a finding ends it.
 *
 *  Usage: npm run fuzz -- [--target NAME…] [--cases N] [--seconds N] [--seed N] [--path PATH]
 *  The targets are those of spec/support/fuzz/targets.ts; all of them take turns, an equal time
 *  each, until each has had N cases (100,000 unless told, without end with --seconds) or the
 *  seconds are over. The seed is drawn and printed. A finding is printed with the seed and the path
 *  under which it comes again, made small, and kept as a file in the folder for temporary files.
 *  Exit code: 0 nothing found, 1 a finding, 2 usage, 130 interrupted. `--table FILE` takes other
 *  targets. */

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';

/** @typedef {import('../spec/support/fuzz/campaign.ts').ChunkResult} ChunkResult */
/** @typedef {import('../spec/support/fuzz/campaign.ts').Finding} Finding */
/** @typedef {{ name: string, cases: number, accepted: number, refused: Map<string, number>,
 *    spentMs: number }} Row */

/** Cases between two looks at the clock. */
const CHUNK = 200;
/** Processor time after which one case is said to hang, in milliseconds. */
const HANG_MS = 60_000;
const DEFAULT_CASES = 100_000;
/** Bytes of a finding that are printed. */
const SHOWN_BYTES = 2000;

/** @param {string} line */
const print = (line) => process.stdout.write(`${line}\n`);
/** @param {string} line */
const say = (line) => process.stderr.write(`${line}\n`);

const options = readOptions();
const beats = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(new URL('./lib/fuzz-worker.mjs', import.meta.url), {
  workerData: { table: options.table, beats },
});
let interrupts = 0;
process.on('SIGINT', () => {
  interrupts += 1;
  if (interrupts === 1) say('\nstopping after these cases; again stops at once');
  else {
    summarize(rows);
    process.exit(130);
  }
});

/** @type {Row[]} */
const rows = [];
const names = /** @type {string[]} */ (await answer());
const unknown = options.targets.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  say(`no target ${unknown.join(', ')}; there are ${names.join(', ')}`);
  process.exit(2);
}
for (const name of options.targets.length > 0 ? options.targets : names) {
  rows.push({ name, cases: 0, accepted: 0, refused: new Map(), spentMs: 0 });
}
print(`seed ${options.seed}`);
const finding = await campaign();
if (finding !== undefined) report(finding.name, finding);
summarize(rows);
await worker.terminate();
process.exitCode = finding === undefined ? (interrupts > 0 ? 130 : 0) : 1;

/** Gives chunks to whoever has had the least time.
 *  @returns {Promise<(Finding & { name: string }) | undefined>} */
async function campaign() {
  const started = performance.now();
  let saidMs = started;
  for (let chunk = 0; interrupts === 0; chunk++) {
    const now = performance.now();
    const left = rows.filter(({ cases }) => cases < options.cases);
    if (left.length === 0 || now - started > options.milliseconds) return undefined;
    const row = left.reduce((least, each) => (each.spentMs < least.spentMs ? each : least));
    const cases = Math.min(CHUNK, options.cases - row.cases);
    const seed = (options.seed + chunk) | 0;
    const found = await runChunk(row, seed, cases);
    row.spentMs += performance.now() - now;
    if (found !== undefined) return { name: row.name, ...found };
    if (performance.now() - saidMs < (process.stderr.isTTY ? 1000 : 30_000)) continue;
    saidMs = performance.now();
    progress((saidMs - started) / 1000);
  }
  return undefined;
}

/** @param {Row} row @param {number} seed @param {number} cases
 *  @returns {Promise<Finding | undefined>} */
async function runChunk(row, seed, cases) {
  worker.postMessage({ name: row.name, seed, cases, path: options.path });
  const hang = watch();
  try {
    const result = /** @type {ChunkResult} */ (await Promise.race([answer(), hang.late]));
    row.cases += result.cases;
    row.accepted += result.accepted;
    for (const [code, count] of Object.entries(result.refused)) {
      row.refused.set(code, (row.refused.get(code) ?? 0) + count);
    }
    return result.finding;
  } catch (error) {
    if (error !== hang.reason) throw error;
    const index = String(Atomics.load(beats, 0));
    return { seed, path: index, bytes: new Uint8Array(0), shrinks: 0, error: 'the case hangs' };
  } finally {
    hang.stop();
  }
}

/** Rejects when one case has taken too much processor time; what others take does not count. */
function watch() {
  const reason = new Error('hangs');
  let beat = Atomics.load(beats, 0);
  let since = processorMs();
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setInterval(() => {
      const now = Atomics.load(beats, 0);
      if (now !== beat) {
        beat = now;
        since = processorMs();
      } else if (processorMs() - since > HANG_MS) reject(reason);
    }, 1000);
  });
  late.catch(() => {});
  return { late, reason, stop: () => clearInterval(timer) };
}

function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The next message of the worker; its errors are ours.
 *  @returns {Promise<unknown>} */
function answer() {
  return new Promise((resolve, reject) => {
    const forget = () => worker.off('message', told).off('error', failed);
    const told = (/** @type {unknown} */ message) => {
      forget();
      resolve(message);
    };
    const failed = (/** @type {Error} */ error) => {
      forget();
      reject(error);
    };
    worker.on('message', told).on('error', failed);
  });
}

/** @param {string} name @param {Finding} finding */
function report(name, { seed, path: place, bytes, shrinks, error }) {
  print(`\nFOUND in ${name}, seed ${seed}, path ${place}, made smaller ${shrinks} times`);
  print(`again: npm run fuzz -- --target ${name} --seed ${seed} --path ${place}`);
  print(error);
  if (bytes.length === 0) return;
  const file = path.join(tmpdir(), `baichuan-fuzz-${name}-${seed >>> 0}.bin`);
  writeFileSync(file, bytes);
  const rest = bytes.length > SHOWN_BYTES ? ` … ${bytes.length} bytes in all` : '';
  print(`${file}, in base 16:`);
  print(Buffer.from(bytes.subarray(0, SHOWN_BYTES)).toString('hex') + rest);
}

/** @param {number} seconds */
function progress(seconds) {
  const cases = rows.reduce((sum, row) => sum + row.cases, 0);
  const rate = (cases / seconds).toFixed(0);
  const line = `${cases} cases in ${seconds.toFixed(0)} s, ${rate} a second`;
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`);
  else say(line);
}

/** @param {Row[]} all */
function summarize(all) {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K');
  print('\ntarget                cases    accepted   cases/s  refused');
  for (const { name, cases, accepted, refused, spentMs } of all) {
    const codes = [...refused]
      .sort((a, b) => b[1] - a[1])
      .map(([code, count]) => `${code} ${count}`);
    const rate = spentMs > 0 ? ((1000 * cases) / spentMs).toFixed(0) : '-';
    const numbers = [String(cases).padStart(9), String(accepted).padStart(11), rate.padStart(9)];
    print(`${name.padEnd(18)}${numbers.join(' ')}  ${codes.join(', ')}`);
  }
  const [cases, accepted] = [all, all].map((list, index) =>
    list.reduce((sum, row) => sum + (index === 0 ? row.cases : row.accepted), 0),
  );
  const refused = new Set(all.flatMap((row) => [...row.refused.keys()]));
  print(
    `${cases} cases, ${accepted} accepted, ${refused.size} codes of refusal, seed ${options.seed}`,
  );
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        target: { type: 'string', multiple: true, default: [] },
        cases: { type: 'string' },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        path: { type: 'string' },
        table: { type: 'string', default: 'spec/support/fuzz/targets.ts' },
      },
    });
    const seconds = natural(values.seconds, 'seconds') ?? Number.POSITIVE_INFINITY;
    const endless = Number.isFinite(seconds) ? Number.POSITIVE_INFINITY : DEFAULT_CASES;
    const isReplay = values.path !== undefined;
    if (isReplay && (values.target.length !== 1 || values.seed === undefined)) {
      throw new TypeError('--path needs the --target and the --seed that were printed with it');
    }
    return {
      targets: [...values.target, ...positionals],
      cases: isReplay ? 1 : (natural(values.cases, 'cases') ?? endless),
      milliseconds: 1000 * seconds,
      seed: integer(values.seed, 'seed') ?? (Math.random() * 2 ** 31) | 0,
      path: values.path,
      table: values.table,
    };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say(error.message);
    process.exit(2);
  }
}

/** @param {string | undefined} text @param {string} name */
function natural(text, name) {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new TypeError(`--${name} ${text} is no positive number`);
}

/** @param {string | undefined} text @param {string} name */
function integer(text, name) {
  if (text === undefined) return undefined;
  if (/^-?\d{1,10}$/.test(text)) return Number(text) | 0;
  throw new TypeError(`--${name} ${text} is no integer of 32 bits`);
}
