/** The gallery of known bugs, which the oracle matches with what it finds. */

import { ALIBI_BUGS } from './alibi.ts';
import { ATTENTION_BUGS } from './attention.ts';
import { FEED_FORWARD_BUGS } from './feed-forward.ts';
import type { KnownBug } from './known-bug.ts';
import { NORM_BUGS } from './norm.ts';
import { ROTARY_BUGS } from './rotary.ts';
import { WEIGHT_BUGS } from './weights.ts';

export type { KnownBug };

/** Every known bug. */
export const KNOWN_BUGS: readonly KnownBug[] = [
  ...ALIBI_BUGS,
  ...ROTARY_BUGS,
  ...ATTENTION_BUGS,
  ...NORM_BUGS,
  ...FEED_FORWARD_BUGS,
  ...WEIGHT_BUGS,
];
