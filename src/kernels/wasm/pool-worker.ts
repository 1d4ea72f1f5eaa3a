/** A worker of the pool: it has an instance of the kernels over every bank, and works on tickets
 *  until its thread is ended from outside. */

import {
  awaitCall,
  type Control,
  controlOf,
  readCall,
  reportFailure,
  SLOT,
  workOn,
} from './control.ts';
import { instantiate } from './instance.ts';
import { type RangedKernel, rangedKernels } from './ranged-kernels.ts';

/** What the engine tells a worker of the pool. */
export interface PoolWorkerStart {
  /** Its index in the pool. */
  readonly worker: number;
  readonly control: SharedArrayBuffer;
  readonly module: WebAssembly.Module;
  readonly memories: readonly WebAssembly.Memory[];
}

/** Makes instances of the kernels over every bank, then works until the thread is ended. */
export function servePool(start: PoolWorkerStart): never {
  const control = controlOf(start.control);
  const banks = start.memories.map((memory) => rangedKernels(instantiate(memory, start.module)));
  let seen = Atomics.load(control.slots, SLOT.CALL);
  for (;;) {
    const call = awaitCall(control, seen);
    if (call !== seen) serveCall(control, call, banks, start.worker);
    seen = call;
  }
}

function serveCall(
  control: Control,
  number: number,
  banks: readonly (readonly RangedKernel[])[],
  worker: number,
): void {
  const { slots } = control;
  Atomics.store(slots, SLOT.BUSY + worker, 1);
  try {
    workOn(control, number, readCall(control), ({ kernel, bank, args }, begin, end) => {
      banks[bank][kernel](...args, begin, end);
    });
    Atomics.store(slots, SLOT.BUSY + worker, 0);
  } catch (error) {
    reportFailure(control, worker, error instanceof Error ? error.message : String(error));
  }
}
