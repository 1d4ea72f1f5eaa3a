/** A worker of the pool that claims one ticket and never finishes it: it stands for one that the
 *  system holds up, or ended without a word. */

import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { SLOT } from '../../src/kernels/wasm/control.ts';
import type { Patience } from '../../src/kernels/wasm/pool.ts';
import { type StartThread, startThread, type Thread } from '../../src/platform/threads.ts';
import { startFilledEngine } from './filled-engine.ts';

/** The script of the worker. From its second message on it looks for a ticket, and posts a message
 *  when it has claimed one. */
export const HANGING_WORKER = `
const threads = globalThis.process?.getBuiltinModule?.('node:worker_threads');
const owner = threads?.parentPort ?? globalThis;
let told;
let wanted = false;
owner.onmessage = ({ data }) => {
  if (data.port === undefined) wanted = true;
  else
    data.port.onmessage = (event) => {
      told = event.data;
      begin();
    };
  begin();
};
// The two messages come through channels of their own, in either order.
function begin() {
  if (wanted && told !== undefined) hang(told);
}
function hang({ worker, control }) {
  const slots = new Int32Array(control, 0, ${SLOT.BUSY} + worker + 1);
  for (;;) {
    Atomics.wait(slots, ${SLOT.CALL}, Atomics.load(slots, ${SLOT.CALL}), 1);
    const next = Atomics.load(slots, ${SLOT.NEXT});
    if ((next & 4095) >= Atomics.load(slots, ${SLOT.TICKETS})) continue;
    Atomics.store(slots, ${SLOT.BUSY} + worker, 1);
    if (Atomics.compareExchange(slots, ${SLOT.NEXT}, next, next + 1) === next) break;
    Atomics.store(slots, ${SLOT.BUSY} + worker, 0);
  }
  owner.postMessage('claimed');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
`;

/** An engine whose first worker of the pool hangs in the first pass.
 *  @param ids of the passes @param onHang told when it does */
export async function hangingEngine(
  folder: Folder,
  ids: readonly number[],
  patience: Patience,
  onHang: () => void,
) {
  const threads: Thread[] = [];
  const start: StartThread = async (source, events) => {
    const hangs = threads.length === 1;
    const onMessage = hangs ? onHang : events.onMessage;
    const thread = await startThread(hangs ? HANGING_WORKER : source, { ...events, onMessage });
    threads.push(thread);
    return thread;
  };
  const remote = await startFilledEngine(folder, { threads: 3, patience, startThread: start });
  threads[1].post('hang');
  const run = (signal?: AbortSignal) => {
    const sequence = remote.open();
    const pass = remote.run([{ sequence, ids }], { logits: 'last', signal });
    return pass.finally(() => remote.close(sequence));
  };
  return { run, dispose: remote.dispose, threads };
}
