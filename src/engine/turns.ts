/** Long work in the caller's thread: letting others have their turn, and stopping when asked. */

import { BaichuanError } from '../errors.ts';

/** Resolves after the event loop has taken a turn: timers, input and abort signals get through. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/** Goes on unless the caller stopped the work.
 *  @throws aborted when the signal says so, with its reason as cause */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new BaichuanError('aborted', {
    what: 'The caller stopped the work.',
    fix: 'Call again without the abort signal to finish it.',
    cause: signal.reason,
  });
}
