/** The speed of the kernels, each checked against its mirror first.
 *
 *  Usage: npm run bench. A line per kernel and shape: median and spread (half the distance between
 *  the quartiles) of the time, and GB/s of the bytes read and written. Matrix products: median and
 *  quartiles of GB/s of the weight for one token, of 10⁹ operations (a product with its sum is two)
 *  per second for many, and the share of the limits that were measured just before. */

import { Bench } from 'tinybench';
import * as reference from '../src/kernels/reference/widen.ts';
import { createWidener, type SixteenBitDtype } from '../src/kernels/wasm/module.ts';
import { addAttentionCases } from './support/attention-cases.ts';
import { printMatmulLines } from './support/matmul-lines.ts';
import { packingTasks } from './support/packing.ts';
import { rowTasks } from './support/row-cases.ts';

/** A row block of 8 MiB: 1024 rows of 4096 16-bit numbers. */
const ROWS = 1024;
const COLUMNS = 4096;
const COUNT = ROWS * COLUMNS;

/** Every pattern in turn, in an order that no predictor follows. */
const PATTERNS = Uint16Array.from({ length: COUNT }, (_, i) => (i * 40_503) % 65_536);

const MIRRORS = { BF16: reference.widenBf16, F16: reference.widenF16 };

const widener = createWidener();
const bench = new Bench({ time: 1000, warmupTime: 200, retainSamples: true });
/** Bytes that a task reads and writes, by its name. */
const taskBytes = new Map<string, number>();
for (const dtype of ['BF16', 'F16'] as const) addWidening(dtype);
for (const { name, bytes, run } of [...packingTasks(), ...rowTasks()]) add(name, bytes, run);
const attention = addAttentionCases(bench);
for (const [name, bytes] of attention.bytesOf) taskBytes.set(name, bytes);
await bench.run();

console.log(`${bench.runtime} ${bench.runtimeVersion}`);
for (const task of bench.tasks) {
  const { result } = task;
  if (result.state !== 'completed') throw new Error(`${task.name}: ${result.state}`);
  const { p50, p25, p75 } = quartiles(result.latency.samples ?? []);
  const gigabytes = (taskBytes.get(task.name) ?? Number.NaN) / 1e9;
  const speed = (gigabytes / (p50 / 1000)).toFixed(1);
  const spread = ((p75 - p25) / 2).toFixed(2);
  const operations = attention.operationsOf.get(task.name);
  const rate = operations === undefined ? '' : `  ${(operations / p50 / 1e6).toFixed(1)} 10⁹ op/s`;
  console.log(`${task.name}  ${p50.toFixed(2)} ± ${spread} ms  ${speed} GB/s${rate}`);
}
printMatmulLines((line) => console.log(line));

/** Adds the widener on one dtype, having compared it with the mirror on the very same numbers. */
function addWidening(dtype: SixteenBitDtype): void {
  const bytes = new Uint8Array(PATTERNS.buffer);
  const found = new Float32Array(COUNT);
  const expected = new Float32Array(COUNT);
  widener.widen(dtype, bytes, found, 0);
  MIRRORS[dtype](expected, PATTERNS, COUNT);
  const expectedBits = new Uint32Array(expected.buffer);
  if (new Uint32Array(found.buffer).some((bits, i) => bits !== expectedBits[i])) {
    throw new Error(`widen ${dtype} differs from its mirror`);
  }
  add(`widen ${dtype} [${ROWS}, ${COLUMNS}]`, COUNT * (2 + 4), () =>
    widener.widen(dtype, bytes, found, 0),
  );
}

function add(name: string, bytes: number, run: () => void): void {
  taskBytes.set(name, bytes);
  bench.add(name, run);
}

/** @param samples times in milliseconds, in any order */
function quartiles(samples: readonly number[]): { p25: number; p50: number; p75: number } {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return { p25: at(0.25), p50: at(0.5), p75: at(0.75) };
}
