/** How fast the command compares two traces of 1 GB on disk, and in how much memory: layer outputs
 *  of 13B's width that differ in their last bits. The goal is 500 MB/s of both files together.
 *
 *  Usage: npm run bench:compare
 *  Needs 2 GB of disk in the folder for temporary files, which are given back. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { type TensorToWrite, writeSafetensors } from '../src/index.ts';

const [TOKENS, WIDTH, LAYERS, RUNS] = [512, 5120, 96, 5];
const GOAL = 0.5e9;

/** Runs the command line, then says the largest resident memory in bytes on stderr. */
const SCRIPT = `
const { peakResident } = await import('./bench/support/peak-resident.ts');
process.on('exit', () => process.stderr.write(String(peakResident())));
await import('./dist/cli/main.js');`;

/** Writes a trace whose layers differ in their last bits when `seed` does. */
async function writeTraceFile(file: string, seed: number): Promise<void> {
  const values = Float32Array.from({ length: TOKENS * WIDTH }, (_, i) => ((i * 31) % 977) - 488);
  for (let i = seed; i < values.length; i += 97) values[i] *= 1 + seed * 2 ** -23;
  const chunks = [new Uint8Array(values.buffer)];
  const tensors = Array.from({ length: LAYERS }, (_, layer): TensorToWrite => {
    return { name: `model.layers.${layer}.output`, dtype: 'F32', shape: [TOKENS, WIDTH], chunks };
  });
  const handle = await open(file, 'w');
  await writeSafetensors({ write: async (part) => void (await handle.writeFile(part)) }, tensors);
  await handle.close();
}

const folder = mkdtempSync(path.join(tmpdir(), 'baichuan-compare-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
const files = ['expected', 'found'].map((name) => path.join(folder, `${name}.safetensors`));
for (const [seed, file] of files.entries()) await writeTraceFile(file, seed);
const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);

const runs = Array.from({ length: RUNS }, () => {
  const begin = performance.now();
  const args = ['--import', 'tsx', '--input-type=module', '-e', SCRIPT];
  args.push('baichuan', 'compare', ...files);
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const seconds = (performance.now() - begin) / 1000;
  if (status !== 0 || !stdout.includes(`${LAYERS} tensors compared, 0 beyond`)) {
    throw new Error(`the traces should agree: ${stdout.slice(-500)}${stderr}`);
  }
  return { rate: bytes / seconds, resident: Number(stderr) };
});
runs.sort((a, b) => b.rate - a.rate);
const median = runs[Math.floor(RUNS / 2)].rate;
const resident = Math.max(...runs.map((run) => run.resident));
const show = (rate: number) => `${(rate / 1e9).toFixed(2)} GB/s`;
console.log(`${process.title} ${process.version}, two traces of ${(bytes / 2e9).toFixed(2)} GB`);
console.log(`best ${show(runs[0].rate)}, median ${show(median)}, goal ${show(GOAL)}`);
console.log(`resident memory at most ${(resident / 1e6).toFixed(0)} MB`);
process.exitCode = median >= GOAL ? 0 : 1;
