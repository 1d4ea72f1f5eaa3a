/** Runs the specs of kernels, layers, model, engine, tokenizer, generation and mathematics in
 *  Chromium, compares the bits of spec/runtimes/bits.ts with those of this runtime, in a page that
 *  may share memory between threads and in one that may not, and opens the reports that the
 *  commands write; the last line is `N passed, N failed`.
 *
 *  Usage: node .scripts/browser.mjs [FILTER…]
 *  Needs Debian's chromium, or CHROMIUM naming another; fails without one. Each spec is bundled
 *  as it is and runs in a page of its own, served from this checkout. */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { CHROMIUM, FLAGS, killGroup, removeProfile } from './browser/chromium.mjs';
import { runReports } from './browser/reports.mjs';
import { buildOrExit } from './build.mjs';
import { ROOT } from './lib/command.mjs';
import { listFiles } from './lib/stage.mjs';

const SPECS = /^spec\/(kernels|layers|model|tensor|tokenizer|math|generate|verify)\/.*\.spec\.ts$/;
/** The first thread of a page may not wait for others, as the pool's engine does. */
const WAITING = /^spec\/kernels\/wasm\/pool\.spec\.ts$/;
/** Those of the engine that read no files by path. */
const ENGINE =
  /^spec\/engine\/(generate|inputs|language-model|plan|recorder|remote-engine)\.spec\.ts$/;
/** Those of formats that read no fixtures by path. */
const FORMATS = /^spec\/formats\/(?!hugging-face-folder|weights-file).*\.spec\.ts$/;
const BITS = 'spec/runtimes/bits.ts';
const REPORTS = '.scripts/browser/reports.mjs';
const LIMIT_MS = 300_000;

const SHIMS = new Map([
  ['uvu', path.join(import.meta.dirname, 'browser/uvu.mjs')],
  ['node:fs', path.join(import.meta.dirname, 'browser/node-fs.mjs')],
]);

/** @typedef {{ tests: number, failures: string[], lines?: string[] }} PageResult */

// Ending by a signal ends the browser too.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

await buildOrExit();
const filters = process.argv.slice(2);
const isWanted = (/** @type {string} */ file) =>
  filters.length === 0 || filters.some((filter) => file.includes(filter));
const files = listFiles('spec')
  .filter((file) => [SPECS, ENGINE, FORMATS].some((pattern) => pattern.test(file)))
  .filter((file) => !WAITING.test(file))
  .filter(isWanted);
/** Pages that share memory come first: `isolated` tells them apart. */
const bits = isWanted(BITS) ? [`isolated:${BITS}`, `alone:${BITS}`] : [];
const bundles = await bundle([...files, ...(bits.length > 0 ? [BITS] : [])]);
const expected = bits.length > 0 ? bitsHere() : [];
files.push(...bits);
/** @type {(result: PageResult) => void} */
let report = () => {};
/** The file that a page moves on to. */
let next = 0;
const server = createServer(answer).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const address = server.address();
const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`;

let passed = 0;
let failed = files.length === 0 && !isWanted(REPORTS) ? 1 : 0;
while (next < files.length) await runBrowser();
server.close();
if (isWanted(REPORTS)) printPage(REPORTS, await runReports());
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** Goes through the files from `next` on, until one gives no result or all are done. */
async function runBrowser() {
  const profile = mkdtempSync(path.join(tmpdir(), 'baichuan-chromium-'));
  const url = `${origin}/page?${files[next]}`;
  // A process group of its own: Chromium's helpers must end with it, not only the first process.
  const child = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: 'ignore',
    detached: true,
  });
  const endGroup = () => killGroup(child.pid);
  process.once('exit', endGroup);
  const ended = new Promise((resolve) => {
    child.on('error', ({ message }) => resolve(`${CHROMIUM}: ${message}`));
    child.on('exit', (code) => resolve(`${CHROMIUM} ended with ${code}`));
  });
  while (next < files.length) {
    const file = files[next] ?? '';
    const result = await nextResult(ended);
    next += 1;
    printPage(file, typeof result === 'string' ? { tests: 0, failures: [result] } : judge(result));
    if (typeof result === 'string') break;
  }
  endGroup();
  process.off('exit', endGroup);
  await ended;
  await removeProfile(profile);
}

/** What the present page posts, or why it will not.
 *  @param {Promise<string>} ended @returns {Promise<PageResult | string>} */
async function nextResult(ended) {
  /** @type {Promise<PageResult>} */
  const posted = new Promise((resolve) => {
    report = resolve;
  });
  const late = setTimer(LIMIT_MS);
  const result = await Promise.race([posted, ended, late.promise]);
  late.cancel();
  return result;
}

/** @param {number} ms @returns {{ promise: Promise<string>, cancel: () => void }} */
function setTimer(ms) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const promise = new Promise((resolve) => {
    timer = setTimeout(() => resolve(`no result after ${ms / 1000} s`), ms);
  });
  return { promise, cancel: () => clearTimeout(timer) };
}

/** The lines of bits.ts in this runtime. */
function bitsHere() {
  const args = ['--import', 'tsx', BITS];
  const { stdout, status } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trimEnd().split('\n') : [`${BITS} ended with ${status}`];
}

/** What a page printed, against the same of this runtime. @param {PageResult} result */
function judge(result) {
  const { lines } = result;
  if (lines === undefined) return result;
  const others = expected.filter((line, index) => line !== lines[index]);
  const isSame = others.length === 0 && lines.length === expected.length && lines.length > 10;
  const failures = isSame
    ? []
    : [`other bits than here:\n${others.join('\n')}\n${lines.join('\n')}`];
  return { tests: result.tests + 1, failures: [...result.failures, ...failures] };
}

/** @param {string} file @param {PageResult} result */
function printPage(file, { tests, failures }) {
  const wrong = tests === 0 && failures.length === 0 ? ['no test ran'] : failures;
  passed += Math.max(0, tests - wrong.length);
  failed += wrong.length;
  process.stdout.write(
    `${file}  ${Math.max(0, tests - wrong.length)}${wrong.length ? ' FAILED' : ''}\n`,
  );
  for (const failure of wrong)
    process.stdout.write(`    ${failure.replaceAll('\n', '\n      ')}\n`);
}

/** Bundles every spec. @param {string[]} entries @returns {Promise<Map<string, string>>} */
async function bundle(entries) {
  const { outputFiles } = await build({
    entryPoints: entries.map((file) => path.join(ROOT, file)),
    ...{ bundle: true, format: 'esm', target: 'es2022', write: false, outdir: '/', outbase: ROOT },
    plugins: [{ name: 'page', setup }],
  });
  return new Map(
    outputFiles.map(({ path: out, text }) => [out.slice(1).replace(/\.js$/, '.ts'), text]),
  );
}

/** Shims for the two modules that a page lacks, and places as the server knows them.
 *  @param {import('esbuild').PluginBuild} plugin */
function setup(plugin) {
  plugin.onResolve({ filter: /^(uvu|node:fs)$/ }, ({ path: name }) => ({
    path: SHIMS.get(name) ?? '',
  }));
  plugin.onResolve({ filter: /\/scratch-files\.ts$/ }, () => ({
    path: path.join(import.meta.dirname, 'browser/scratch-files.mjs'),
  }));
  // What only Node imports, when it is given a path.
  plugin.onResolve({ filter: /\/node[\w-]*\.ts$/ }, ({ path: name, kind }) =>
    kind === 'dynamic-import' ? { path: name, external: true } : undefined,
  );
  plugin.onResolve({ filter: /^node:/ }, ({ path: name }) => ({ path: name, external: true }));
  plugin.onLoad({ filter: /\/(src|spec)\/.*\.ts$/ }, ({ path: file }) => {
    const place = JSON.stringify(`/${path.relative(ROOT, file)}`);
    const contents = readFileSync(file, 'utf8').replaceAll(
      'import.meta.url',
      `new URL(${place}, location.origin).href`,
    );
    return { contents, loader: 'ts' };
  });
}

/** @param {import('node:http').IncomingMessage} request
 *  @param {import('node:http').ServerResponse} response */
function answer(request, response) {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  if (request.method === 'POST') {
    /** @type {Buffer[]} */
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const following = files[next + 1];
      response.end(following === undefined ? '' : `/page?${following}`);
      report(JSON.parse(Buffer.concat(chunks).toString('utf8')));
    });
    return;
  }
  const content = contentOf(pathname, search.slice(1));
  if (content === undefined) response.writeHead(404).end();
  else response.writeHead(200, { 'content-type': content.type, ...isolation() }).end(content.body);
}

/** A page whose server says so may share memory between threads.
 *  @returns {Record<string, string>} */
function isolation() {
  if (files[next]?.startsWith('alone:')) return {};
  return {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
  };
}

/** @param {string} pathname @param {string} file of a page */
function contentOf(pathname, file) {
  if (pathname === '/page') return { type: 'text/html', body: page(file) };
  const script = bundles.get(pathname.slice(1));
  if (script !== undefined) return { type: 'text/javascript', body: script };
  if (!/^\/(fixtures|dist\/wasm)\/[\w./-]+$/.test(pathname)) return undefined;
  try {
    return { type: 'application/octet-stream', body: readFileSync(path.join(ROOT, pathname)) };
  } catch {
    return undefined;
  }
}

/** A page that runs one spec, or what prints bits, and posts its result. @param {string} entry */
function page(entry) {
  const [, kind, file] = /^(?:(isolated|alone):)?(.*)$/.exec(entry) ?? [];
  const run =
    kind === undefined
      ? `await import('/${file}'); await post(await globalThis.runSuites());`
      : `const lines = [];
         console.log = (line) => lines.push(line);
         const failures = crossOriginIsolated === ${kind === 'isolated'} ? [] : ['isolation'];
         await import('/${file}');
         await post({ tests: 1, failures, lines });`;
  return `<!doctype html><meta charset="utf-8"><script type="module">
    const post = async (result) => {
      const answer = await fetch('/result', { method: 'POST', body: JSON.stringify(result) });
      const following = await answer.text();
      if (following) location.href = following;
    };
    try {
      ${run}
    } catch (error) {
      await post({ tests: 0, failures: [String(error?.stack ?? error)] });
    }
  </script>`;
}
