/** The control block through which the engine's thread and the pool's workers share work: one small
 *  shared memory, read and written with `Atomics`.
 *
 *  A kernel call is cut into tickets, ranges of its units. Whoever is free claims the next ticket;
 *  the engine's thread works too, and waits only for tickets that somebody has claimed: a worker
 *  that sleeps or is held up elsewhere holds nobody up.
 *
 *  `NEXT` and `FINISHED` carry the number of the call beside their count, and are changed by
 *  compare-and-exchange only: a worker that comes late, with the arguments of an earlier call,
 *  claims and counts nothing. The engine invalidates `NEXT` before it writes new arguments. */

import { abortedError } from '../../abort.ts';
import { BaichuanError } from '../../errors.ts';

/** Places in the block as Int32Array, each group on a cache line of its own (16 numbers). */
export const SLOT = {
  /** Number of the present call; workers sleep on it. */
  CALL: 0,
  /** The next ticket of the present call. */
  NEXT: 16,
  /** Tickets of the present call that are done; the engine sleeps on it. */
  FINISHED: 32,
  /** What workers look at rarely: who failed (1 + index, or 0), and whether to stop. */
  FAILED: 48,
  ABORT: 49,
  /** Workers asleep on CALL. */
  SLEEPING: 50,
  /** Arguments of the present call. */
  KERNEL: 64,
  BANK: 65,
  ARGUMENTS: 66,
  UNITS: 67,
  GRAIN: 68,
  TICKETS: 69,
  /** One number per worker: 1 while it works on a ticket. */
  BUSY: 80,
} as const;

export const MAX_WORKERS = 63;
const MAX_ARGUMENTS = 24;
const ARGUMENTS_BYTES = 4 * (SLOT.BUSY + MAX_WORKERS + 1);
const REASON_BYTES = ARGUMENTS_BYTES + 8 * MAX_ARGUMENTS;
const REASON_LENGTH = 200;

/** The count in NEXT and FINISHED takes the low bits, the call the rest. */
const COUNT_BITS = 12;
const INVALID = 4095;
export const MAX_TICKETS = INVALID - 1;

/** How often a thread looks before it sleeps: some 20 to 50 µs. */
const SPINS = 20_000;

/** A sleep never lasts longer; then the sleeper looks for itself. */
const SLEEP_MS = 500;

export interface Control {
  readonly slots: Int32Array;
  readonly values: Float64Array;
  readonly reason: Uint8Array;
}

/** Bytes of a control block. */
export const CONTROL_BYTES = REASON_BYTES + REASON_LENGTH;

/** The views of a control block.
 *  @param buffer of `CONTROL_BYTES`, shared where there are workers */
export function controlOf(buffer: SharedArrayBuffer | ArrayBuffer): Control {
  return {
    slots: new Int32Array(buffer, 0, SLOT.BUSY + MAX_WORKERS + 1),
    values: new Float64Array(buffer, ARGUMENTS_BYTES, MAX_ARGUMENTS),
    reason: new Uint8Array(buffer, REASON_BYTES, REASON_LENGTH),
  };
}

/** One kernel call as the control block describes it. */
export interface KernelCall {
  readonly kernel: number;
  readonly bank: number;
  readonly args: readonly number[];
  /** The range that is cut into tickets, `grain` units each. */
  readonly units: number;
  readonly grain: number;
}

/** Runs one range of a call. */
export type RunRange = (call: KernelCall, start: number, end: number) => void;

/** A word of 32 bits: the lower bits of a call's number, and how many of its tickets. */
const tagged = (call: number, tickets: number) => (call << COUNT_BITS) | tickets;
const countOf = (word: number) => word & INVALID;

/** Writes a call into the block and wakes who sleeps. @returns its number */
export function publish({ slots, values }: Control, call: KernelCall): number {
  const number = (Atomics.load(slots, SLOT.CALL) + 1) | 0;
  Atomics.store(slots, SLOT.NEXT, tagged(number, INVALID));
  slots[SLOT.KERNEL] = call.kernel;
  slots[SLOT.BANK] = call.bank;
  slots[SLOT.ARGUMENTS] = call.args.length;
  slots[SLOT.UNITS] = call.units;
  slots[SLOT.GRAIN] = call.grain;
  slots[SLOT.TICKETS] = Math.ceil(call.units / call.grain);
  for (let i = 0; i < call.args.length; i++) values[i] = call.args[i];
  Atomics.store(slots, SLOT.FINISHED, tagged(number, 0));
  Atomics.store(slots, SLOT.NEXT, tagged(number, 0));
  Atomics.store(slots, SLOT.CALL, number);
  if (Atomics.load(slots, SLOT.SLEEPING) > 0) Atomics.notify(slots, SLOT.CALL);
  return number;
}

/** The call that the block describes now; valid only if a ticket of it can be claimed. */
export function readCall({ slots, values }: Control): KernelCall {
  const args = Array.from(values.subarray(0, Math.min(slots[SLOT.ARGUMENTS], MAX_ARGUMENTS)));
  const [kernel, bank] = [slots[SLOT.KERNEL], slots[SLOT.BANK]];
  return { kernel, bank, args, units: slots[SLOT.UNITS], grain: Math.max(1, slots[SLOT.GRAIN]) };
}

/** Works on tickets of a call until none is left. */
export function workOn({ slots }: Control, number: number, call: KernelCall, run: RunRange): void {
  const tickets = Math.ceil(call.units / call.grain);
  for (;;) {
    const next = Atomics.load(slots, SLOT.NEXT);
    const ticket = countOf(next);
    if (next !== tagged(number, ticket) || ticket >= tickets) return;
    if (Atomics.compareExchange(slots, SLOT.NEXT, next, next + 1) !== next) continue;
    const start = ticket * call.grain;
    run(call, start, Math.min(call.units, start + call.grain));
    countFinished(slots, number, tickets);
  }
}

/** Counts a ticket of this call, unless the engine has gone on without it. */
function countFinished(slots: Int32Array, number: number, tickets: number): void {
  for (;;) {
    const word = Atomics.load(slots, SLOT.FINISHED);
    const count = countOf(word);
    if (word !== tagged(number, count)) return;
    if (Atomics.compareExchange(slots, SLOT.FINISHED, word, word + 1) !== word) continue;
    if (count + 1 === tickets) Atomics.notify(slots, SLOT.FINISHED);
    return;
  }
}

/** Waits until every ticket of a call is done, or its caller stops it.
 *  @param patienceMs without any progress
 *  @throws aborted, worker-failed, worker-lost */
export function awaitFinished(control: Control, number: number, patienceMs: number): void {
  const { slots } = control;
  const done = tagged(number, Math.ceil(slots[SLOT.UNITS] / slots[SLOT.GRAIN]));
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(slots, SLOT.FINISHED) === done) return;
  }
  let seen = Atomics.load(slots, SLOT.FINISHED);
  let since = performance.now();
  while (seen !== done) {
    if (Atomics.load(slots, SLOT.FAILED) !== 0) throw workerFailed(control);
    throwIfStopped(control);
    Atomics.wait(slots, SLOT.FINISHED, seen, SLEEP_MS);
    const now = Atomics.load(slots, SLOT.FINISHED);
    if (now !== seen) since = performance.now();
    else if (performance.now() - since > patienceMs) throw workerLost(patienceMs);
    seen = now;
  }
}

/** Sleeps until there is another call than `seen`, or for half a second.
 *  @returns the number of the present call */
export function awaitCall({ slots }: Control, seen: number): number {
  for (let spin = 0; spin < SPINS; spin++) {
    const call = Atomics.load(slots, SLOT.CALL);
    if (call !== seen) return call;
  }
  Atomics.add(slots, SLOT.SLEEPING, 1);
  Atomics.wait(slots, SLOT.CALL, seen, SLEEP_MS);
  Atomics.sub(slots, SLOT.SLEEPING, 1);
  return Atomics.load(slots, SLOT.CALL);
}

/** Says that a worker has come to its end, and wakes the engine if it was at work.
 *  @param worker its index */
export function reportFailure({ slots, reason }: Control, worker: number, message: string): void {
  if (Atomics.exchange(slots, SLOT.BUSY + worker, 0) === 0) return;
  reason.fill(0);
  for (let i = 0; i < Math.min(message.length, REASON_LENGTH); i++) {
    reason[i] = Math.min(message.charCodeAt(i), 0x7e);
  }
  Atomics.store(slots, SLOT.FAILED, worker + 1);
  Atomics.notify(slots, SLOT.FINISHED);
}

/** Asks for a stop of the present call, and wakes the engine if it waits for the rest of it. */
export function requestAbort({ slots }: Control): void {
  Atomics.store(slots, SLOT.ABORT, 1);
  Atomics.notify(slots, SLOT.FINISHED);
}

/** Goes on unless the engine's caller asked for a stop. @throws aborted */
export function throwIfStopped({ slots }: Control): void {
  if (Atomics.load(slots, SLOT.ABORT) !== 0) throw abortedError();
}

/** Gives up the present call: no ticket of it can be claimed any more. */
export function abandon({ slots }: Control): void {
  Atomics.store(slots, SLOT.NEXT, tagged(Atomics.load(slots, SLOT.CALL), INVALID));
}

/** Waits until nobody works on an abandoned call, so that its memory can be used again.
 *  @param stoppedMs the patience once a stop is asked for @throws worker-lost */
export function awaitIdle({ slots }: Control, patienceMs: number, stoppedMs: number): void {
  const since = performance.now();
  for (let worker = 0; worker < MAX_WORKERS; worker++) {
    while (Atomics.load(slots, SLOT.BUSY + worker) !== 0) {
      const limitMs = Atomics.load(slots, SLOT.ABORT) === 0 ? patienceMs : stoppedMs;
      if (performance.now() - since > limitMs) throw workerLost(limitMs);
      Atomics.wait(slots, SLOT.BUSY + worker, 1, 10);
    }
  }
}

function workerFailed({ slots, reason }: Control): BaichuanError {
  const text = String.fromCharCode(...reason.filter((byte) => byte > 0));
  return new BaichuanError('worker-failed', {
    where: `worker ${Atomics.load(slots, SLOT.FAILED)}`,
    what: `A worker of the pool failed: ${text}.`,
    fix: 'Try again; the worker is replaced. If it fails again, use --threads 1 and report it.',
  });
}

function workerLost(patienceMs: number): BaichuanError {
  return new BaichuanError('worker-lost', {
    what: `A worker of the pool has not answered for ${patienceMs / 1000} s.`,
    fix: 'Try again, with fewer threads (--threads 1 needs no pool) if it happens again.',
  });
}
