/** Paths on Node: what callers may give instead of a string. */

import { fileURLToPath } from 'node:url';

/** The path that a `file:` URL or a string names. */
export function pathOf(source: string | URL): string {
  return typeof source === 'string' ? source : fileURLToPath(source);
}
