/** What a trace costs in memory: one prompt token through the full 13B shape in int4, written while
 *  it is recorded, then every operation of it judged against the model in bfloat16. The weights are
 *  made up while they are read. The goal is 2 GB beyond the model for either.
 *
 *  Usage: npm run bench:trace -- [--layers 40 --hidden 5120 --intermediate 13696 --heads 40
 *         --vocabulary 64000] [--tokens 1]
 *  Needs 10 GB of free memory, and 50 MB of disk per token, which are given back. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, openAsBlob, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import {
  blobSource,
  compareWithModel,
  comparisonToSummary,
  load,
  openModel,
  openTrace,
  traceMetadata,
  writeTrace,
} from '../src/index.ts';
import { peakResident } from './support/peak-resident.ts';
import { SIZES_13B, sizeOptions, sizesOf } from './support/size-options.ts';
import { createSyntheticModel } from './support/synthetic-model.ts';

const GOAL = 2e9;

const { values } = parseArgs({
  options: {
    ...sizeOptions(),
    tokens: { type: 'string', default: '1' },
    compare: { type: 'string' },
  },
});
const { folder } = createSyntheticModel(sizesOf(values, SIZES_13B));
if (values.compare === undefined) await record();
else await judge(values.compare);

/** Records a trace, and lets another process judge it. */
async function record(): Promise<void> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'baichuan-trace-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  const file = path.join(scratch, 'trace.safetensors');
  const ids = Array.from({ length: Number(values.tokens) }, (_, i) => 1000 + 7 * i);
  const growth = await writeOne(file, ids);
  const size = statSync(file).size;
  console.log(`trace of ${ids.length} tokens, ${mega(size)}: ${mega(growth)} beyond the model`);
  const args = [...process.execArgv, ...process.argv.slice(1), '--compare', file];
  const { status, stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.stdout.write(stdout);
  process.exitCode = status === 0 && growth <= GOAL ? 0 : 1;
}

/** Writes a trace. @returns the growth of resident memory meanwhile, in bytes */
async function writeOne(file: string, ids: readonly number[]): Promise<number> {
  const { config, checkpoint } = await openModel(folder);
  const metadata = await traceMetadata(config, checkpoint, ids);
  const model = await load(folder, { quantize: 'int4', contextLength: 4096 });
  const handle = await open(file, 'w');
  const before = process.memoryUsage.rss();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 5);
  const writeAt = async (byteOffset: number, bytes: Uint8Array) => {
    await handle.write(bytes, 0, bytes.length, byteOffset);
  };
  await writeTrace(model, ids, { writeAt }, { metadata });
  clearInterval(timer);
  await handle.close();
  await model.close();
  return highest - before;
}

/** Judges a trace against the model, and says what it took. */
async function judge(file: string): Promise<void> {
  const begin = performance.now();
  const model = await openModel(folder);
  const trace = await openTrace(blobSource(file, await openAsBlob(file)));
  const comparison = await compareWithModel(model, trace);
  const seconds = ((performance.now() - begin) / 1000).toFixed(0);
  const resident = peakResident();
  console.log(`compared with the model in ${seconds} s, at most ${mega(resident)} resident`);
  console.log(comparisonToSummary(comparison).split('\n').slice(-2).join('\n').trim());
  process.exitCode = resident <= GOAL ? 0 : 1;
}

function mega(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
