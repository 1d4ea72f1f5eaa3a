/** Engines report memory that cannot be had as a `RangeError` of many wordings. */

import { BaichuanError } from '../errors.ts';

const MEMORY_WORDING = /memory|allocation|array buffer|invalid typed array length/i;

/** The error itself, or, when memory ran out, one that says so.
 *  @param what that needed the memory */
export function asMemoryError(error: unknown, what: string): unknown {
  if (!(error instanceof RangeError) || !MEMORY_WORDING.test(error.message)) return error;
  return new BaichuanError('out-of-memory', {
    where: what,
    what: `There is not enough memory for ${what} (${error.message}).`,
    fix: 'Free memory, use a smaller model or a shorter prompt; baichuan inspect shows the plan.',
    cause: error,
  });
}
