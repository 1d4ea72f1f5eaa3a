/** Scripts that travel as text, each with all that it imports: that of the workers,
 *  src/engine/engine-worker.ts, and that of the reports, src/conform/report/client/main.ts. */

import { build } from 'esbuild';
import { ROOT } from './command.mjs';

/** @returns {Promise<string>} */
export function bundleWorker() {
  return bundleScript('src/engine/engine-worker.ts', 'baichuan-worker.js');
}

/** @returns {Promise<string>} */
export function bundleReport() {
  return bundleScript('src/conform/report/client/main.ts', 'baichuan-report.js');
}

/** @param {string} entry @param {string} name that debuggers show @returns {Promise<string>} */
async function bundleScript(entry, name) {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    minifyWhitespace: true,
    minifySyntax: true,
    footer: { js: `//# sourceURL=${name}` },
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

/** @param {string} script @returns {string} a TypeScript module that exports it */
export function reportModule(script) {
  return `/** The script of every report, which stands in the file itself.
 *  Generated from client/main.ts by .scripts/build.mjs; not in git. */
export const REPORT_SCRIPT: string =
  ${JSON.stringify(script)};
`;
}
