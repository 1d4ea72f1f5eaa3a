/** Runs the command line from a checkout, rebuilding first when sources are newer.
 *
 *  Usage: node .scripts/baichuan.mjs COMMAND …
 *  The command runs in this very process, so stdin, stdout, signals and the exit code are its own;
 *  the build prints to stderr only. */

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildOrExit } from './build.mjs';
import { ROOT } from './lib/command.mjs';

await buildOrExit();
const main = path.join(ROOT, 'dist/cli/main.js');
process.argv[1] = main;
await import(pathToFileURL(main).href);
