/** Node 20 has relaxed SIMD under an experimental flag, and its first compiler gets it wrong. */

import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const FLAG = '--experimental-wasm-relaxed-simd';
const isNode20 = process.version.startsWith('v20.');
const source = new URL('../../src/kernels/wasm/simd.ts', import.meta.url).href;
const script = `const { chooseSimd } = await import('${source}'); console.log(chooseSimd());`;

const spec = suite('relaxed flag');

spec('law: Node 20 gets the baseline build with and without the flag, later ones relaxed', () => {
  for (const flags of isNode20 ? [[], [FLAG]] : [[]]) {
    const args = [...flags, '--import', 'tsx', '--input-type=module', '-e', script];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.is(stdout, isNode20 ? 'baseline\n' : 'relaxed\n', `${flags} ${stderr}`);
  }
});

spec.run();
