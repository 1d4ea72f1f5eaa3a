/** Stopping when the caller's signal says so. */

import { BaichuanError } from '../errors.ts';

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
