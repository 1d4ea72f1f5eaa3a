/** The script of the workers: src/engine/engine-worker.ts with all that it imports, in one text. */

import { build } from 'esbuild';
import { ROOT } from './command.mjs';

/** @returns {Promise<string>} */
export async function bundleWorker() {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/engine/engine-worker.ts'],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    minifyWhitespace: true,
    minifySyntax: true,
    footer: { js: '//# sourceURL=baichuan-worker.js' },
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}

/** @param {string} script @returns {string} a TypeScript module that exports it */
export function workerModule(script) {
  return `/** The script of every worker, so that no runtime or bundler has to find a file.
 *  Generated from engine-worker.ts by .scripts/build.mjs; not in git. */
export const ENGINE_WORKER_SOURCE: string =
  ${JSON.stringify(script)};
`;
}
