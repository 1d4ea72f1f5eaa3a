/** A worker of the pool that claims one ticket and never finishes it: it stands for one that the
 *  system holds up, or ended without a word. */

import { SLOT } from '../../src/kernels/wasm/control.ts';

/** The script of the worker. From its second message on it looks for a ticket, and posts a message
 *  when it has claimed one. */
export const HANGING_WORKER = `
const threads = globalThis.process?.getBuiltinModule?.('node:worker_threads');
const owner = threads?.parentPort ?? globalThis;
let told;
owner.onmessage = ({ data }) => {
  if (data.port === undefined) return hang(told);
  data.port.onmessage = (event) => {
    told = event.data;
  };
};
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
