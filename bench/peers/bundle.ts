/** Children and pages as single files, which every Node and Chromium runs as they are. The library
 *  itself stays outside, as `dist/`: that is what is measured. */

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { CACHE } from './install.ts';

/** The root of the repository. */
export const ROOT = path.resolve(import.meta.dirname, '../..');

/** Builds `dist/`, unless it is up to date. */
export function buildLibrary(): void {
  const script = path.join(ROOT, '.scripts/build.mjs');
  const stdio = ['ignore', process.stderr, process.stderr] as const;
  const { status } = spawnSync(process.execPath, [script], { cwd: ROOT, stdio: [...stdio] });
  if (status !== 0) throw new Error('dist/ could not be built');
}

/** Bundles a child of the bench.
 *  @param name of a file in bench/peers @returns the path of the bundle */
export async function bundleChild(name: string): Promise<string> {
  const library = pathToFileURL(path.join(ROOT, 'dist/index.js')).href;
  const outfile = path.join(CACHE, name.replace(/\.ts$/, '.mjs'));
  await build({ ...options(name, library), platform: 'node', outfile });
  return outfile;
}

/** Bundles the script of a page, which finds the library at `/dist/`.
 *  @param name of a file in bench/peers */
export async function bundlePage(name: string): Promise<string> {
  const result = await build({ ...options(name, '/dist/index.js'), write: false });
  return result.outputFiles?.[0].text ?? '';
}

function options(name: string, library: string): BuildOptions {
  return {
    entryPoints: [path.join(import.meta.dirname, name)],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
    plugins: [libraryOutside(library)],
  };
}

function libraryOutside(library: string): Plugin {
  return {
    name: 'library-outside',
    setup: ({ onResolve }) =>
      onResolve({ filter: /\/src\/index\.ts$/ }, () => ({ path: library, external: true })),
  };
}
