/** Starting workers, on every runtime from one text: `node:worker_threads` on Node, Deno and Bun,
 *  Web Workers in browsers. */

/** A worker that runs. */
export interface Thread {
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Ends it at once, whatever it does. */
  terminate(): Promise<void>;
  /** Whether the process has to stay alive for it. */
  hold(held: boolean): void;
}

export interface ThreadEvents {
  onMessage(message: unknown): void;
  /** Told once when the worker has ended or cannot go on, unless it was terminated. */
  onEnd(reason: unknown): void;
}

/** Starts a worker. @param source a script @throws whatever the runtime reports */
export type StartThread = (source: string, events: ThreadEvents) => Promise<Thread>;

/** Starts a worker on the present runtime. */
export const startThread: StartThread = async (source, events) => {
  if (isServerRuntime()) {
    const { startNodeThread } = await import('./node-threads.ts');
    return startNodeThread(source, events);
  }
  return startWebThread(source, events);
};

/** Whether this is Node, Deno or Bun. */
export function isServerRuntime(): boolean {
  return typeof process !== 'undefined' && typeof process.versions?.node === 'string';
}

/** Whether threads can share memory; browsers want an isolated page for it. */
export function canShareMemory(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  return isServerRuntime() || globalThis.crossOriginIsolated === true;
}

/** A web worker from a text: no file has to be found, by bundlers least of all. */
function startWebThread(source: string, events: ThreadEvents): Thread {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url, { name: 'baichuan' });
  let ended = false;
  const end = (reason: unknown) => {
    if (!ended) events.onEnd(reason);
    ended = true;
  };
  worker.onmessage = ({ data }) => events.onMessage(data);
  worker.onmessageerror = () => end('a message could not be read');
  worker.onerror = (event) => end(event.message ?? 'the worker could not be started');
  return {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    async terminate() {
      ended = true;
      worker.terminate();
      URL.revokeObjectURL(url);
    },
    hold() {},
  };
}
