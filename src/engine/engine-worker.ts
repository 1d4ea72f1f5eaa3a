/** The entry of every worker: the engine itself, or one worker of its pool. The build makes one
 *  text of it (worker.generated.ts), so that no runtime or bundler has to find a file. */

import { controlOf } from '../kernels/wasm/control.ts';
import { createWasmKernels } from '../kernels/wasm/index.ts';
import { createPoolRunner, createSingleRunner } from '../kernels/wasm/pool.ts';
import { servePool } from '../kernels/wasm/pool-worker.ts';
import { type OwnThread, ownThread } from '../platform/own-thread.ts';
import type { Engine, PassResult } from './engine.ts';
import { createLocalEngine } from './local-engine.ts';
import {
  type Answer,
  type Change,
  type EngineMessage,
  type EngineStart,
  type Request,
  type StartMessage,
  sendError,
} from './protocol.ts';

const thread = ownThread();
thread.onFirstMessage((message) => {
  const first = message as StartMessage;
  if (first.role === 'pool') {
    first.port.onmessage = ({ data }) => servePool(data);
    return;
  }
  serveEngine(thread, first.start);
});

/** Makes the engine, says so as answer 0, and serves requests in turn. */
function serveEngine(self: OwnThread, start: EngineStart): void {
  try {
    const { engine, replace, abort } = createEngine(start);
    const sequences = new Map<number, number>();
    self.onMessage((message) => {
      const received = message as EngineMessage;
      if ('method' in received) {
        if (received.method === 'abort') abort();
        else change(engine, sequences, received);
        return;
      }
      const { id, request } = received;
      if (request.method === 'replace') replace(request);
      answer(engine, sequences, request).then(
        (value) => self.post({ id, value } satisfies Answer, transferable(value)),
        (error) => self.post({ id, error: sendError(error) } satisfies Answer, []),
      );
    });
    self.post({ id: 0 } satisfies Answer, []);
  } catch (error) {
    self.post({ id: 0, error: sendError(error) } satisfies Answer, []);
  }
}

function createEngine(start: EngineStart) {
  const { setup, control: buffer, ports, patience, packsTogether, ...options } = start;
  const { module } = start;
  const control = controlOf(buffer);
  const shared = ports.length > 0;
  const alone = createSingleRunner(control);
  const runner = shared ? createPoolRunner(control, 1 + ports.length, patience) : alone;
  const packer = packsTogether ? runner : alone;
  const kernels = createWasmKernels({ ...options, runner, packer, shared });
  const { memories } = kernels;
  const attach = (worker: number, port: MessagePort) => {
    if (buffer instanceof ArrayBuffer) return;
    port.postMessage({ worker, control: buffer, module, memories });
  };
  ports.forEach((port, worker) => {
    attach(worker, port);
  });
  // Without shared memory a stop comes as a message, for which passes make pauses.
  const turns = buffer instanceof ArrayBuffer;
  let stop: AbortController | undefined;
  const engine = createLocalEngine(kernels, setup, turns);
  return {
    engine: {
      ...engine,
      run: async (...[parts, runOptions]: Parameters<Engine['run']>) => {
        stop = new AbortController();
        return engine.run(parts, { ...runOptions, signal: stop.signal });
      },
    },
    replace: ({ worker, port }: { worker: number; port: MessagePort }) => attach(worker, port),
    abort: () => stop?.abort(),
  };
}

/** The caller's numbers of sequences are not the cache's own. */
function change(
  engine: Engine,
  sequences: Map<number, number>,
  message: Exclude<Change, { method: 'abort' }>,
): void {
  const own = (sequence: number) => sequences.get(sequence) ?? -1;
  switch (message.method) {
    case 'open':
      sequences.set(message.sequence, engine.open());
      return;
    case 'fork':
      sequences.set(message.sequence, engine.fork(own(message.source), message.length));
      return;
    case 'rollback':
      engine.rollback(own(message.sequence), message.length);
      return;
    case 'close':
      engine.close(own(message.sequence));
      sequences.delete(message.sequence);
  }
}

async function answer(
  engine: Engine,
  sequences: ReadonlyMap<number, number>,
  request: Request,
): Promise<PassResult | undefined> {
  switch (request.method) {
    case 'write':
      try {
        await engine.write(request.name, request.row, request.rows);
      } finally {
        free(request.rows.bytes.buffer);
      }
      return undefined;
    case 'run': {
      const parts = request.parts.map(({ sequence, ids }) => ({
        sequence: sequences.get(sequence) ?? -1,
        ids,
      }));
      return engine.run(parts, request.options);
    }
    case 'replace':
      return undefined;
  }
}

/** Gives the memory of a buffer back at once, where the engine can: waiting for the collector, many
 *  blocks of a model would be held at a time, and some for good. */
function free(buffer: ArrayBufferLike): void {
  const { transfer } = buffer as { transfer?: (byteLength: number) => ArrayBuffer };
  transfer?.call(buffer, 0);
}

function transferable(value: PassResult | undefined): ArrayBuffer[] {
  if (value === undefined) return [];
  const arrays = [value.logits, ...value.activations.map(({ values }) => values)];
  return arrays.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer);
}
