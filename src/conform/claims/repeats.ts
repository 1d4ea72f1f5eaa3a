/** Whether two answers to one request are the same, number by number. */

import type { Distribution } from '../../verify/distribution.ts';

/** The largest difference of two answers; 0 only when every number is the same, infinite when one
 *  of them speaks of other tokens. */
export function compareAnswers(
  first: readonly Distribution[],
  second: readonly Distribution[],
): number {
  if (first.length !== second.length) return Number.POSITIVE_INFINITY;
  return first.reduce((most, one, i) => Math.max(most, difference(one, second[i])), 0);
}

function difference({ values: a }: Distribution, { values: b }: Distribution): number {
  const [one, other] = [new Map(a.entries()), new Map(b.entries())];
  if (one.size !== other.size) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (const [token, value] of one) {
    const found = other.get(token) ?? Number.NaN;
    if (Object.is(value, found)) continue;
    const distance = Math.abs(value - found);
    most = Math.max(most, Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance);
  }
  return most;
}
