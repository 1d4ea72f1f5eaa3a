/** Workers of Node, Deno and Bun. */

import { type TransferListItem, Worker } from 'node:worker_threads';
import type { Thread, ThreadEvents } from './threads.ts';

/** What a worker makes anew lives for one kernel call: room for more of it would only be held. */
const LIMITS = { maxYoungGenerationSizeMb: 2 };

/** Starts a worker that runs a script, without the loaders and flags of its parent. */
export function startNodeThread(source: string, events: ThreadEvents): Thread {
  const options = { eval: true, execArgv: [], name: 'baichuan', resourceLimits: LIMITS };
  const worker = new Worker(source, options);
  let ended = false;
  const end = (reason: unknown) => {
    if (!ended) events.onEnd(reason);
    ended = true;
  };
  worker.on('message', (message) => events.onMessage(message));
  worker.on('messageerror', end);
  worker.on('error', end);
  worker.on('exit', (code) => end(`it ended with ${code}`));
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as TransferListItem[]),
    async terminate() {
      ended = true;
      // Node may find nothing left to do, and end, before it learns that the worker has ended.
      const waiting = setInterval(() => {}, 1000);
      await worker.terminate();
      clearInterval(waiting);
    },
    hold(held) {
      if (held) worker.ref();
      else worker.unref();
    },
  };
}
