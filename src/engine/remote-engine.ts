/** An engine in a worker of its own, with a pool of workers beside it, seen from the caller's
 *  thread. The caller's thread never holds a WebAssembly memory: all memory goes when the workers
 *  are ended.
 *
 *  Every worker is started from here, so that its end is noticed while the engine computes. A
 *  worker of the pool that is lost fails the pass that it worked for, and is replaced; with the
 *  engine worker the model is lost. */

import { throwIfAborted } from '../abort.ts';
import { BaichuanError } from '../errors.ts';
import {
  CONTROL_BYTES,
  type Control,
  controlOf,
  requestAbort,
  SLOT,
} from '../kernels/wasm/control.ts';
import { canShareMemory, type StartThread, startThread, type Thread } from '../platform/threads.ts';
import type { Engine, PassPart, PassResult, RunOptions } from './engine.ts';
import { maxChunk } from './pass-runner.ts';
import {
  type Answer,
  type Change,
  type EngineStart,
  type Request,
  receivedError,
} from './protocol.ts';
import { createSequenceTable } from './sequence-table.ts';
import { createWorkerPool, startWorker, type WorkerPool } from './worker-pool.ts';

export interface RemoteEngineOptions extends Omit<EngineStart, 'control' | 'ports'> {
  /** The engine worker and those of its pool; more than 1 needs memory that can be shared. */
  readonly threads: number;
  /** How workers are started, where not in the usual way. */
  readonly startThread?: StartThread | undefined;
}

interface Pending {
  resolve(value: Answer['value']): void;
  reject(error: unknown): void;
}

/** Starts the workers and makes room for a model. @throws out-of-memory, worker-lost */
export async function startRemoteEngine(options: RemoteEngineOptions): Promise<Engine> {
  const { threads, startThread: start = startThread, ...rest } = options;
  const shared = canShareMemory();
  const buffer = shared ? new SharedArrayBuffer(CONTROL_BYTES) : new ArrayBuffer(CONTROL_BYTES);
  const control = controlOf(buffer);
  const link = createLink();
  let engineThread: Thread | undefined;
  const post = (message: unknown, transfer: readonly Transferable[] = []) => {
    engineThread?.post(message, transfer);
  };
  const pool = createWorkerPool(start, control, (worker, port) => {
    post({ id: link.nextId(), request: { method: 'replace', worker, port } }, [port]);
  });
  const terminate = () => Promise.all([engineThread?.terminate(), pool.terminate()]);
  // The pool would hold the memories of an engine that is lost; so would a web worker after an
  // error, which does not end it.
  link.onLost = () => void terminate();
  const dispose = async () => {
    link.end(modelClosed());
    await terminate();
  };
  try {
    engineThread = await startWorker(start, link);
    link.onHold = (held) => engineThread?.hold(held);
    const ports = await pool.launch(threads - 1);
    // Rejects at once where the engine worker has ended meanwhile.
    const started = link.expect(0);
    post({ role: 'engine', start: { ...rest, control: buffer, ports } }, ports);
    await started;
  } catch (error) {
    await dispose();
    throw error;
  }
  const ask = (request: Request, transfer: readonly Transferable[] = []) => {
    const id = link.nextId();
    const answer = link.expect(id);
    post({ id, request }, transfer);
    return answer;
  };
  const tell = (change: Change) => {
    if (!link.ended) post(change);
  };
  const chunkTokens = maxChunk(options.setup.config);
  return createRemote({ ask, tell, chunkTokens, control, shared, pool, dispose });
}

interface Connection {
  ask(request: Request, transfer?: readonly Transferable[]): Promise<Answer['value']>;
  tell(change: Change): void;
  readonly chunkTokens: number;
  readonly control: Control;
  readonly shared: boolean;
  readonly pool: WorkerPool;
  dispose(): Promise<void>;
}

function createRemote(connection: Connection): Engine {
  const { ask, tell, control, shared, pool, dispose } = connection;
  const table = createSequenceTable(tell);
  let previous: Promise<unknown> = Promise.resolve();

  async function runAlone(
    parts: readonly PassPart[],
    { signal, logits, taps }: RunOptions,
  ): Promise<PassResult> {
    throwIfAborted(signal);
    Atomics.store(control.slots, SLOT.ABORT, 0);
    const stop = () => {
      if (shared) requestAbort(control);
      else tell({ method: 'abort' });
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const result = await ask({ method: 'run', parts, options: { logits, taps } });
      table.grow(parts);
      pool.trust();
      return result as PassResult;
    } catch (error) {
      // After a stop too: who does not answer would hold up the next pass.
      if (error instanceof BaichuanError && error.code === 'worker-lost') await pool.replaceAll();
      throwIfAborted(signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  return {
    chunkTokens: connection.chunkTokens,
    async write(name, row, { bytes, ...rows }) {
      const own = withOwnBuffer(bytes);
      const request = { method: 'write', name, row, rows: { ...rows, bytes: own } } as const;
      await ask(request, [own.buffer]);
    },
    run(parts, options) {
      const result = previous.then(() => runAlone(parts, options));
      previous = result.catch(() => undefined);
      return result;
    },
    ...table.sequences,
    dispose,
  };
}

/** Bytes whose buffer holds nothing else and may be handed over. */
function withOwnBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return isOwn ? new Uint8Array(buffer) : Uint8Array.from(bytes);
}

/** Answers of the engine worker by the number of their request. */
function createLink() {
  const pending = new Map<number, Pending>();
  let last = 0;
  let failure: unknown;
  const link = {
    ended: false,
    onHold: (_held: boolean) => {},
    onLost: () => {},
    nextId: () => ++last,
    expect(id: number) {
      return new Promise<Answer['value']>((resolve, reject) => {
        if (link.ended) return reject(failure);
        pending.set(id, { resolve, reject });
        if (pending.size === 1) link.onHold(true);
      });
    },
    onMessage(message: unknown) {
      const { id, value, error } = message as Answer;
      const waiting = pending.get(id);
      pending.delete(id);
      if (pending.size === 0) link.onHold(false);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(receivedError(error));
    },
    onEnd(reason: unknown) {
      link.end(engineLost(reason));
      link.onLost();
    },
    end(error: BaichuanError) {
      if (link.ended) return;
      link.ended = true;
      failure = error;
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
    },
  };
  return link;
}

function engineLost(reason: unknown): BaichuanError {
  const text = reason instanceof Error ? reason.message : String(reason);
  return new BaichuanError('worker-lost', {
    where: 'engine worker',
    what: `The engine worker has ended: ${text}.`,
    fix: 'Load the model again; where memory ran out, use --quantize int4 or a smaller context.',
    cause: reason,
  });
}

function modelClosed(): BaichuanError {
  return new BaichuanError('model-closed', {
    where: 'model',
    what: 'The model was closed.',
    fix: 'Load it again, or close it later.',
  });
}
