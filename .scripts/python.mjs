/** Runs the independent checks in Python: golden activations, the command line against PyTorch on
 *  models drawn anew, `compare` and `conform` on broken ones, the conformance vectors, the embedded
 *  model. The last line is `N passed, N failed`.
 *
 *  Usage: node .scripts/python.mjs
 *  Needs Debian's python3-torch and python3-sentencepiece, and fails without them. */

import path from 'node:path';
import { buildOrExit } from './build.mjs';
import { ROOT, run } from './lib/command.mjs';
import { listFiles } from './lib/stage.mjs';

const PYTHON = process.env.BAICHUAN_PYTHON ?? '/usr/bin/python3';
const FOLDER = path.join(ROOT, 'fixtures/generate');

/** Works have this many random shots each here; `check_embedded.py` alone takes 60. */
const SHOTS = '2';

/** @type {[string, string[]][]} script and arguments */
const CHECKS = [
  ['check_goldens.py', goldenFolders()],
  ['check_cli.py', []],
  ['check_compare.py', []],
  ['check_torch_bin.py', []],
  ['check_conform.py', []],
  ['../conformance/check.py', []],
  ['check_embedded.py', [path.join(ROOT, 'fixtures/embedded'), SHOTS]],
];

await buildOrExit();
let passed = 0;
let failed = 0;
for (const [script, args] of CHECKS) {
  process.stdout.write(`== ${script}\n`);
  const { code, output } = await run(PYTHON, [path.join(FOLDER, script), ...args]);
  process.stdout.write(output);
  const counts = /^(\d+) passed, (\d+) failed$/m.exec(output);
  passed += counts ? Number(counts[1]) : Number(code === 0);
  failed += counts ? Number(counts[2]) : Number(code !== 0);
  if (counts && code !== 0 && counts[2] === '0') failed += 1;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function goldenFolders() {
  const configs = listFiles('fixtures/goldens').filter((file) => file.endsWith('/config.json'));
  return configs.map((file) => path.join(ROOT, path.dirname(file)));
}
