/** The thread that this code runs in, seen from inside a worker: how it hears and answers. */

export interface OwnThread {
  /** Told the first message only; later ones wait for `onMessage`. */
  onFirstMessage(listener: (message: unknown) => void): void;
  onMessage(listener: (message: unknown) => void): void;
  post(message: unknown, transfer: readonly ArrayBuffer[]): void;
}

/** Node, Deno and Bun have a port to the parent, browsers the global scope. */
interface Port {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
}

/** The port of this worker to the thread that started it. */
export function ownThread(): OwnThread {
  const port = parentPort();
  return {
    onFirstMessage(listener) {
      port.onmessage = ({ data }) => listener(data);
    },
    onMessage(listener) {
      port.onmessage = ({ data }) => listener(data);
    },
    post: (message, transfer) => port.postMessage(message, [...transfer]),
  };
}

function parentPort(): Port {
  // Workers of a browser have no process; those of Node, Deno and Bun do.
  if (typeof process !== 'undefined' && typeof process.getBuiltinModule === 'function') {
    const port: unknown = process.getBuiltinModule('node:worker_threads').parentPort;
    if (port !== null && port !== undefined) return port as Port;
  }
  const scope: unknown = globalThis;
  return scope as Port;
}
