/** The thread of `npm run fuzz` that does the work: it can hang, and the other tells. */

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';
import { ROOT } from './command.mjs';

/** @typedef {{ table: string, beats: Int32Array }} WorkerData */
/** @typedef {import('../../spec/support/fuzz/campaign.ts').ChunkPlan & { name: string }} Order */

// A worker does not inherit the loader of its parent.
register();
const { runChunk } = await import('../../spec/support/fuzz/campaign.ts');

/** @type {WorkerData} */
const { table, beats } = workerData;
/** @type {{ FUZZ_TARGETS: typeof import('../../spec/support/fuzz/targets.ts').FUZZ_TARGETS }} */
const { FUZZ_TARGETS } = await import(pathToFileURL(path.resolve(ROOT, table)).href);
const targets = new Map(FUZZ_TARGETS.map(({ target }) => [target.name, target]));

parentPort?.on('message', async (/** @type {Order} */ { name, ...plan }) => {
  const target = targets.get(name);
  if (target === undefined) throw new Error(`no target ${name}`);
  Atomics.store(beats, 0, -1);
  const result = await runChunk(target, plan, () => Atomics.add(beats, 0, 1));
  parentPort?.postMessage(result);
});
parentPort?.postMessage([...targets.keys()]);
