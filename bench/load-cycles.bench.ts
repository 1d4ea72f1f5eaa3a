/** Memory over many loads: a model is loaded, runs, and is closed again; what the process holds
 *  after the last cycle is compared with what it held after the tenth.
 *
 *  Usage: npm run bench:cycles [-- CYCLES [THREADS]]. Prints resident memory now and then, and
 *  fails when the last is more than 5 % above the tenth. */

import { load } from '../src/index.ts';

const cycles = Number(process.argv[2] ?? 1000);
const threads = Number(process.argv[3] ?? 2);
const TENTH = 10;
const ALLOWED_GROWTH = 1.05;

/** The least of several looks: garbage that waits for its collection is not held. */
async function residentBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 5; look++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
    least = Math.min(least, process.memoryUsage.rss());
  }
  return least;
}

let atTenth = 0;
let last = 0;
for (let cycle = 1; cycle <= cycles; cycle++) {
  const model = await load(undefined, { threads, quantize: cycle % 2 === 0 ? 'int4' : 'none' });
  await model.forward([5, 77, 9]);
  await model.close();
  if (cycle !== TENTH && cycle % 100 !== 0 && cycle !== cycles) continue;
  last = await residentBytes();
  if (cycle === TENTH) atTenth = last;
  console.log(`cycle ${cycle}: ${(last / 2 ** 20).toFixed(1)} MiB resident`);
}
const ratio = last / atTenth;
console.log(`after ${cycles} cycles ${ratio.toFixed(3)} of the tenth`);
process.exitCode = ratio <= ALLOWED_GROWTH ? 0 : 1;
