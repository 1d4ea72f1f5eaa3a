/** The workers of a pool, seen from the caller's thread: started, replaced when they end or are
 *  given up, and ended. */

import { BaichuanError } from '../errors.ts';
import { type Control, reportFailure, SLOT } from '../kernels/wasm/control.ts';
import type { StartThread, Thread, ThreadEvents } from '../platform/threads.ts';
import { ENGINE_WORKER_SOURCE } from './worker.generated.ts';

/** Replacements in a row before the engine goes on with the workers that are left. */
const MAX_REPLACEMENTS = 16;

export interface WorkerPool {
  /** Starts the workers. @returns a channel to each of them @throws worker-lost */
  launch(workers: number): Promise<readonly MessagePort[]>;
  /** After a pass without loss: replacements are counted anew. */
  trust(): void;
  /** Replaces workers of which some do not answer. Until it has ended them, one that does could
   *  claim a ticket of the next pass and be ended over it. */
  replaceAll(): Promise<void>;
  /** Ends every worker, those too that are still being started. */
  terminate(): Promise<void>;
}

/** A pool without workers.
 *  @param onReplace gets the channel of a worker that took another's place */
export function createWorkerPool(
  start: StartThread,
  control: Control,
  onReplace: (worker: number, port: MessagePort) => void,
): WorkerPool {
  const threads: Thread[] = [];
  let [replacements, closed] = [0, false];
  const launch = async (worker: number): Promise<MessagePort> => {
    const { port1, port2 } = new MessageChannel();
    const onEnd = (reason: unknown) => {
      // A web worker that reported an error is still there, and holds the memories.
      threads[worker]?.terminate();
      reportFailure(control, worker, `it ended (${String(reason)})`);
      if (mayReplace()) replace(worker);
    };
    const thread = await startWorker(start, { onMessage() {}, onEnd });
    thread.hold(false);
    threads[worker] = thread;
    if (closed) await thread.terminate();
    thread.post({ role: 'pool', port: port2 }, [port2]);
    return port1;
  };
  const mayReplace = () => !closed && ++replacements <= MAX_REPLACEMENTS;
  const replace = (worker: number) => {
    launch(worker).then(
      (port) => onReplace(worker, port),
      () => undefined,
    );
  };
  return {
    launch: (workers) => inTurn(workers, launch),
    trust() {
      replacements = 0;
    },
    async replaceAll() {
      const wanted = mayReplace();
      const lost = [...threads];
      await Promise.all(lost.map((thread) => thread.terminate()));
      for (const worker of lost.keys()) {
        Atomics.store(control.slots, SLOT.BUSY + worker, 0);
        if (wanted && !closed) replace(worker);
      }
    },
    async terminate() {
      closed = true;
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
}

async function inTurn<Result>(count: number, make: (index: number) => Promise<Result>) {
  const results: Result[] = [];
  for (let index = 0; index < count; index++) results.push(await make(index));
  return results;
}

/** Starts a worker with the text of all of them. @throws worker-lost where there is none to have */
export async function startWorker(start: StartThread, events: ThreadEvents): Promise<Thread> {
  try {
    return await start(ENGINE_WORKER_SOURCE, events);
  } catch (cause) {
    throw new BaichuanError('worker-lost', {
      where: 'threads',
      what: `A worker could not be started: ${cause instanceof Error ? cause.message : cause}.`,
      fix: 'Use fewer threads (--threads 1 needs no pool).',
      cause,
    });
  }
}
