/** Builds `dist/`: the WebAssembly modules (asc), their bytes as a TypeScript module, the scripts
 *  of workers and reports as others (esbuild), then `src/` as JavaScript with types and source maps
 *  (tsc). What is up to date is left alone.
 *
 *  Usage: node .scripts/build.mjs */

import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isMain, ROOT, runTool } from './lib/command.mjs';
import { isAlive, withLock } from './lib/lock.mjs';
import { listFiles, runStage } from './lib/stage.mjs';
import { bundleReport, bundleWorker, reportModule, workerModule } from './lib/worker.mjs';

const GENERATED = 'src/kernels/wasm/binary.generated.ts';
const GENERATED_WORKER = 'src/engine/worker.generated.ts';
const GENERATED_REPORT = 'src/conform/report/script.generated.ts';
const LOCK = path.join(ROOT, '.dist-lock');
const COMPILERS = ['package.json', 'package-lock.json', '.scripts/build.mjs'];
const SHEBANG = '#!/usr/bin/env node\n';

/** @type {import('./lib/stage.mjs').Stage} */
const WASM_STAGE = {
  name: 'assembly/ (asc)',
  stamp: 'dist/.wasm.stamp',
  inputs: () => [...COMPILERS, 'asconfig.json', ...listFiles('assembly')],
  compile: compileWasm,
};

/** @type {import('./lib/stage.mjs').Stage} */
const WORKER_STAGE = {
  name: 'the scripts of workers and reports (esbuild)',
  stamp: 'dist/.worker.stamp',
  inputs: () => [
    ...COMPILERS,
    '.scripts/lib/worker.mjs',
    ...listFiles('src').filter(
      (file) => file.endsWith('.ts') && ![GENERATED_WORKER, GENERATED_REPORT].includes(file),
    ),
  ],
  compile: compileWorker,
};

/** @type {import('./lib/stage.mjs').Stage} */
const SOURCE_STAGE = {
  name: 'src/ (tsc)',
  stamp: 'dist/.src.stamp',
  inputs: () => [
    ...COMPILERS,
    'tsconfig.json',
    '.scripts/tsconfig.build.json',
    ...listFiles('src').filter((file) => file.endsWith('.ts')),
  ],
  compile: compileSource,
};

/** Brings `dist/` and the generated module up to date.
 *  @param {(line: string) => void} log @returns {Promise<boolean>} whether anything was built */
export async function build(log) {
  return withBuildLock(async () => {
    const built = [];
    for (const stage of [WASM_STAGE, WORKER_STAGE, SOURCE_STAGE]) {
      built.push(await runStage(stage, log));
    }
    return built.includes(true);
  });
}

/** Brings only the generated modules up to date, kernels and workers: what types and specs need.
 *  @param {(line: string) => void} log */
export async function buildKernels(log) {
  return withBuildLock(async () => {
    const builtWasm = await runStage(WASM_STAGE, log);
    const builtWorker = await runStage(WORKER_STAGE, log);
    return builtWasm || builtWorker;
  });
}

/** Takes the lock for an action, and clears away what builds that were killed have left: before it,
 *  and after it, since a compiler that outlived its build may have written until then.
 *  @template Result
 *  @param {() => Promise<Result>} action @returns {Promise<Result>} */
function withBuildLock(action) {
  return withLock(LOCK, async () => {
    removeLeftovers();
    try {
      return await action();
    } finally {
      removeLeftovers();
    }
  });
}

/** Removes the temporary folders of processes that are no more. */
function removeLeftovers() {
  for (const name of readdirSync(ROOT)) {
    const pid = Number(/^\.dist-(\d+)$/.exec(name)?.[1]);
    if (pid && !isAlive(pid)) rmSync(path.join(ROOT, name), { recursive: true, force: true });
  }
}

/** Two builds of one source, each for memory that is shared and that is not; the debug build; and
 *  the module that tries the relaxed operation. */
const MODULES = [
  { name: 'kernels-baseline', target: 'baseline', entry: 'assembly/index.ts' },
  { name: 'kernels-baseline-shared', target: 'baseline-shared', entry: 'assembly/index.ts' },
  { name: 'kernels-relaxed', target: 'relaxed', entry: 'assembly/index.ts' },
  { name: 'kernels-relaxed-shared', target: 'relaxed-shared', entry: 'assembly/index.ts' },
  { name: 'kernels.debug', target: 'debug', entry: 'assembly/index.ts' },
  { name: 'relaxed-probe', target: 'relaxed', entry: 'assembly/relaxed-probe.ts' },
];

/** @param {string} folder @returns {Promise<Map<string, string>>} */
async function compileWasm(folder) {
  const outFile = (/** @type {string} */ name) => path.join(folder, `${name}.wasm`);
  const queue = MODULES.map(({ name, target, entry }) =>
    ascArguments(target, outFile(name), entry),
  );
  const compileQueued = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await compile('assemblyscript', 'asc', next);
    }
  };
  // Two at a time; all end before a failure is reported, since their folder goes away then.
  const ends = await Promise.allSettled([compileQueued(), compileQueued()]);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;

  const names = MODULES.map(({ name }) => name);
  const generated = path.join(folder, 'binary.generated.ts');
  const embedded = names.filter((name) => name !== 'kernels.debug');
  const constants = embedded.map((name) => base64Constant(name, readFileSync(outFile(name))));
  writeFileSync(generated, GENERATED_HEADER + constants.join(''));
  return new Map([
    ...names.map((name) => /** @type {const} */ ([`dist/wasm/${name}.wasm`, outFile(name)])),
    [GENERATED, generated],
  ]);
}

/** @param {string} target of asconfig.json @param {string} outFile @param {string} entry
 *  @returns {string[]} */
export function ascArguments(target, outFile, entry) {
  return [entry, '--config', 'asconfig.json', '--target', target, '--outFile', outFile];
}

const GENERATED_HEADER = `/** The compiled modules of assembly/ in base64: no file has to be found.
 *  Generated by .scripts/build.mjs; not in git. */
`;

/** @param {string} name @param {Buffer} wasm */
function base64Constant(name, wasm) {
  const constant = `${name.replaceAll('-', '_').toUpperCase()}_BASE64`;
  return `\nexport const ${constant}: string =\n  '${wasm.toString('base64')}';\n`;
}

/** @param {string} folder @returns {Promise<Map<string, string>>} */
async function compileWorker(folder) {
  const [script, report] = await Promise.all([bundleWorker(), bundleReport()]).catch((error) => {
    throw new BuildError(`esbuild failed:\n${error.message}`);
  });
  const written = new Map([
    ['dist/worker.js', script],
    [GENERATED_WORKER, workerModule(script)],
    [GENERATED_REPORT, reportModule(report)],
  ]);
  for (const [file, text] of written) writeFileSync(path.join(folder, path.basename(file)), text);
  return new Map([...written.keys()].map((file) => [file, path.join(folder, path.basename(file))]));
}

/** @param {string} folder @returns {Promise<Map<string, string>>} */
async function compileSource(folder) {
  await compile('typescript', 'tsc', ['-p', '.scripts/tsconfig.build.json', '--outDir', folder]);
  makeExecutable(path.join(folder, 'cli/main.js'));
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [path.join('dist', path.relative(folder, file)), file]));
}

/** Gives the command its first line and its mode; the source map moves down with the text.
 *  @param {string} file */
function makeExecutable(file) {
  if (!existsSync(file)) return;
  const text = readFileSync(file, 'utf8');
  if (!text.startsWith('#!')) {
    writeFileSync(file, SHEBANG + text);
    const map = JSON.parse(readFileSync(`${file}.map`, 'utf8'));
    writeFileSync(`${file}.map`, JSON.stringify({ ...map, mappings: `;${map.mappings}` }));
  }
  chmodSync(file, 0o755);
}

/** @param {string} packageName @param {string} binary @param {string[]} args */
async function compile(packageName, binary, args) {
  const { code, output } = await runTool(packageName, binary, args);
  if (code !== 0) throw new BuildError(`${binary} failed:\n${output}`);
}

/** A compiler refused its input; the message is what it printed. */
export class BuildError extends Error {}

/** Builds, and ends the process when a compiler refuses; every word goes to stderr.
 *  @param {typeof build} [builder] all of it, or the kernels only */
export async function buildOrExit(builder = build) {
  try {
    return await builder((line) => process.stderr.write(`${line}\n`));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

if (isMain(import.meta.filename)) {
  const built = await buildOrExit();
  process.stderr.write(built ? 'built dist/\n' : 'dist/ is up to date\n');
}
