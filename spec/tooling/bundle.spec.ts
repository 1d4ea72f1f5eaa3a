/** The built package in bundles: esbuild without plugins or settings, as users' tools do it. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { scratchPath } from '../support/scratch-files.ts';

const spec = suite('bundle');
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MODEL = join(ROOT, 'fixtures/goldens/alibi-5heads');

/** A project that has the package installed, and imports it. */
const project = scratchPath('project');
mkdirSync(join(project, 'node_modules'), { recursive: true });
symlinkSync(ROOT, join(project, 'node_modules/baichuan-ts'), 'dir');
const entry = join(project, 'app.js');
writeFileSync(entry, "export * from 'baichuan-ts';\n");

/** Bundles the project. @returns what esbuild warned of */
async function bundle(file: string, options: BuildOptions): Promise<string[]> {
  const places = { entryPoints: [entry], outfile: join(project, file) };
  const { warnings } = await build({ ...places, bundle: true, logLevel: 'silent', ...options });
  return warnings.map(({ text }) => text);
}

/** Runs a script of the project in Node, without anything that this process has loaded. */
function runNode(script: string): string {
  const args = ['--input-type=module', '-e', script];
  const options = { cwd: project, encoding: 'utf8', timeout: 60_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  assert.is(status, 0, stderr);
  return stdout.trim();
}

/** Loads a golden model in workers and prints the number of its scores. */
const FORWARD = `
  const model = await load(${JSON.stringify(MODEL)}, { threads: 2 });
  console.log((await model.forward([1, 2, 3])).data.length);
  await model.close();`;

spec('law: a bundle for browsers needs no plugin, and asks for no module of Node', async () => {
  assert.equal(await bundle('web.mjs', { format: 'esm', platform: 'browser' }), []);
  const script = `
    globalThis.process = undefined;
    const { embeddedModel, ERROR_CODES, httpFolder, load } = await import('./web.mjs');
    const folder = { name: 'nowhere', list: async () => [], open: async () => undefined };
    const { code } = await load(folder).catch((error) => error);
    console.log(code, typeof httpFolder, embeddedModel().protocol, code in ERROR_CODES);`;
  assert.is(runNode(script), 'directory-missing function file: true');
});

spec('law: bundles for Node load and run a model, as ESM and as CommonJS', async () => {
  assert.equal(await bundle('node.mjs', { format: 'esm', platform: 'node' }), []);
  assert.is(runNode(`const { load } = await import('./node.mjs');${FORWARD}`), '288');
  await bundle('node.cjs', { format: 'cjs', platform: 'node' });
  assert.is(runNode(`const { load } = (await import('./node.cjs')).default;${FORWARD}`), '288');
});

spec('error: where a bundle does not know its place, the embedded model is refused', async () => {
  await bundle('node.cjs', { format: 'cjs', platform: 'node' });
  const script = `
    const { load } = (await import('./node.cjs')).default;
    console.log((await load().catch((error) => error)).code);`;
  assert.is(runNode(script), 'io-not-found');
});

spec('law: importing compiles nothing and takes no memory of WebAssembly', () => {
  const script = `
    const refuse = () => { throw new Error('too early'); };
    WebAssembly.Memory = refuse;
    WebAssembly.Module = refuse;
    const { load } = await import('baichuan-ts');
    console.log(typeof load);`;
  assert.is(runNode(script), 'function');
});

spec.run();
