/** Stopping when the caller's signal says so. */

import { BaichuanError } from './errors.ts';

/** Goes on unless the caller stopped the work.
 *  @throws aborted when the signal says so, with its reason as cause */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal);
}

/** A signal that follows another until it is released: for work whose results outlive it. */
export function followSignal(signal: AbortSignal | undefined) {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort);
  const release = () => signal?.removeEventListener('abort', onAbort);
  return { signal: controller.signal, release };
}

/** What is thrown where the caller ended the work.
 *  @param signal that said so, where it is at hand */
export function abortedError(signal?: AbortSignal): BaichuanError {
  return new BaichuanError('aborted', {
    what: 'The caller stopped the work.',
    fix: 'Call again without the abort signal to finish it.',
    cause: signal?.reason,
  });
}
