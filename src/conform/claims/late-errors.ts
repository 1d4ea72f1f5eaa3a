/** Which errors of a backend end a run, and which are a finding about one case: a backend that has
 *  answered before can be asked, so an error in between is its answer to that request. */

import { BaichuanError, type ErrorCode } from '../../errors.ts';

/** An answer, or the error that took its place. */
export type Answer<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: BaichuanError };

/** Asks; gives the error of a backend that has answered before. @throws what ends the run */
export type Attempt = <T>(ask: () => Promise<T>) => Promise<Answer<T>>;

/** After these there is nobody to ask, or nobody who wants to know. */
const ENDS: ReadonlySet<ErrorCode> = new Set([
  'aborted',
  'server-unreachable',
  'server-timeout',
  'backend-timeout',
  'backend-missing',
  'out-of-memory',
]);

/** What asks in one run. An answer of undefined, that a backend has none, does not count. */
export function createAttempt(): Attempt {
  let hasAnswered = false;
  return async (ask) => {
    try {
      const value = await ask();
      hasAnswered ||= value !== undefined;
      return { value };
    } catch (error) {
      if (!(error instanceof BaichuanError) || !hasAnswered || ENDS.has(error.code)) throw error;
      return { error };
    }
  };
}
