/** How kernels are run: in this thread alone, or in this thread and the workers of a pool.
 *
 *  Every call is a range of independent units (rows, tokens, heads), so that neither the number of
 *  threads nor who takes which ticket can change a bit. */

import { BaichuanError } from '../../errors.ts';
import type { Bank } from './bank.ts';
import {
  abandon,
  awaitFinished,
  awaitIdle,
  type Control,
  type KernelCall,
  MAX_TICKETS,
  publish,
  SLOT,
  throwIfStopped,
  workOn,
} from './control.ts';
import { KERNEL_NUMBERS, type KernelName } from './ranged-kernels.ts';

/** A call with less work than this, in multiplications, is done before a worker would notice. */
const WORTH_SHARING = 2 ** 17;

/** Tickets per thread: several, so that a thread that is held up leaves its rest to others. */
const TICKETS_PER_THREAD = 8;

/** How long the engine waits. */
export interface Patience {
  /** For a worker that shows no progress. */
  readonly progressMs: number;
  /** After a failure or a stop, for those who are still at work. */
  readonly settleMs: number;
}

const PATIENCE: Patience = { progressMs: 30_000, settleMs: 1000 };

/** The range of a call. */
export interface Range {
  readonly units: number;
  /** Ranges start at multiples of this; 1 by default. */
  readonly align?: number | undefined;
  /** Multiplications in all, about. */
  readonly work: number;
}

/** Runs kernels of a bank over a range of units. */
export interface KernelRunner {
  readonly threads: number;
  /** @throws aborted, worker-failed, worker-lost */
  run(bank: Bank, kernel: KernelName, args: readonly number[], range: Range): void;
}

/** Runs everything in this thread.
 *  @param control where the caller of the engine may ask for a stop */
export function createSingleRunner(control: Control): KernelRunner {
  return {
    threads: 1,
    run(bank, kernel, args, { units }) {
      throwIfStopped(control);
      runKernel(bank, kernel, args, 0, units);
    },
  };
}

/** Runs everything in this thread and in workers that serve the same control block.
 *  @param threads workers and this thread */
export function createPoolRunner(
  control: Control,
  threads: number,
  { progressMs, settleMs }: Patience = PATIENCE,
): KernelRunner {
  // Whether somebody may still work on a call that was given up: its memory must not be used.
  let broken = false;
  const settle = (patienceMs: number) => {
    awaitIdle(control, patienceMs, settleMs);
    broken = false;
  };
  const runShared = (bank: Bank, kernel: KernelName, call: KernelCall) => {
    Atomics.store(control.slots, SLOT.FAILED, 0);
    const number = publish(control, call);
    try {
      workOn(control, number, call, (_, start, end) => {
        runKernel(bank, kernel, call.args, start, end);
      });
      awaitFinished(control, number, progressMs);
    } catch (error) {
      broken = true;
      abandon(control);
      // A ticket takes milliseconds; for who takes longer the next call waits again.
      try {
        settle(settleMs);
      } catch (lost) {
        // A stop alone would say that all is well: who holds it up has to be replaced.
        if (Atomics.load(control.slots, SLOT.ABORT) !== 0) throw lost;
      }
      throw error;
    }
  };
  return {
    threads,
    run(bank, kernel, args, { units, align = 1, work }) {
      throwIfStopped(control);
      if (broken) settle(progressMs);
      if (work < WORTH_SHARING || units <= align) {
        runKernel(bank, kernel, args, 0, units);
        return;
      }
      const tickets = Math.min(threads * TICKETS_PER_THREAD, MAX_TICKETS);
      const grain = Math.ceil(units / tickets / align) * align;
      const call = { kernel: numberOf(kernel), bank: bank.index, args, units, grain };
      runShared(bank, kernel, call);
    },
  };
}

const numberOf = (kernel: KernelName) => KERNEL_NUMBERS.get(kernel) as number;

/** Calls a kernel; what the engine itself reports becomes an error of this library. */
function runKernel(
  bank: Bank,
  kernel: KernelName,
  args: readonly number[],
  start: number,
  end: number,
): void {
  try {
    bank.kernels[numberOf(kernel)](...args, start, end);
  } catch (cause) {
    throw new BaichuanError('worker-failed', {
      where: kernel,
      what: `A kernel stopped: ${cause instanceof Error ? cause.message : String(cause)}.`,
      fix: 'Load the model again; if it happens again, report it with the model and the prompt.',
      cause,
    });
  }
}
