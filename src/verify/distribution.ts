/** The next-token distribution of a backend against the expected scores, whether the backend shows
 *  all scores or only the log-probabilities of its likeliest tokens:
 *
 *      lp[i] = x[i] − ln Σ e^x        |lp − found| ≤ 2·bar·max|x| + (8 + √V + |lp|)·2⁻²³
 *
 *  Scores are held to bar·max|x|; a log-probability carries the error of its score and that of the
 *  normalizer, and what float32 rounds of it: exponentials added one after the other, stored.
 *  Below e^−87 float32 has no normal numbers: what lies there counts as equally unlikely.
 *
 *  Of a list of the likeliest tokens, each must have its expected log-probability, no token that
 *  was left out may be likelier than the last of them, and all together cannot exceed 1. */

import { exp, log } from '../math/index.ts';
import type { Numbers } from './statistics.ts';

/** The smallest log-probability that float32 tells from others. */
const FLOOR = -87;

/** What a backend says about the next token. */
export type Distribution =
  | { readonly kind: 'scores'; readonly values: Numbers }
  /** Natural log-probabilities by token id, of the likeliest tokens or of all. */
  | { readonly kind: 'logprobs'; readonly values: ReadonlyMap<number, number> };

export interface DistributionVerdict {
  readonly pass: boolean;
  /** Largest difference, of scores or of log-probabilities. */
  readonly difference: number;
  /** What is allowed there. */
  readonly allowed: number;
  /** The token of the largest difference. */
  readonly token: number;
  readonly expected: number;
  readonly found: number;
  readonly expectedTop: number;
  readonly foundTop: number;
  /** Whether the likeliest token is the expected one, or one that rounding may choose. */
  readonly choiceAgrees: boolean;
  /** Whether another token than the expected one was chosen, as rounding may. */
  readonly isTie: boolean;
}

/** A lead of more than this share of the largest score is no tie in any arithmetic. */
const WIDEST_TIE = 0.25;

/** Compares what a backend says about the next token with the expected scores.
 *  @param expected `[V]` @param bar allowed difference of a score, relative to the largest */
export function compareDistribution(
  expected: Numbers,
  found: Distribution,
  bar: number,
): DistributionVerdict {
  const scale = largestMagnitude(expected);
  const worst = found.kind === 'scores' ? worstScore(expected, found.values, bar * scale) : null;
  const logprobs = logProbabilities(expected);
  const list = found.kind === 'logprobs' ? found.values : undefined;
  const judged = worst ?? worstLogprob(logprobs, list ?? new Map(), 2 * bar * scale);
  const expectedTop = topOf(expected.entries());
  const foundTop = topOf(list ?? found.values.entries());
  const gap = foundTop < 0 ? Number.POSITIVE_INFINITY : expected[expectedTop] - expected[foundTop];
  const isSame = expectedTop === foundTop;
  const isTie = !isSame && gap <= Math.min(2 * bar, WIDEST_TIE) * scale;
  const choiceAgrees = isSame || isTie;
  return {
    ...judged,
    pass: choiceAgrees && judged.difference <= judged.allowed,
    ...{ expectedTop, foundTop, choiceAgrees, isTie },
  };
}

/** x − ln Σ e^x. */
export function logProbabilities(x: Numbers): Float64Array {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) most = Math.max(most, x[i]);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += exp(x[i] - most);
  const normalizer = most + log(sum);
  return Float64Array.from(x, (value) => value - normalizer);
}

type Worst = Pick<DistributionVerdict, 'difference' | 'allowed' | 'token' | 'expected' | 'found'>;

const NONE: Worst = { difference: 0, allowed: 0, token: 0, expected: 0, found: 0 };

function worstScore(expected: Numbers, found: Numbers, allowed: number): Worst {
  let worst = { ...NONE, allowed, expected: expected[0], found: found[0] };
  if (found.length !== expected.length) {
    return { ...worst, difference: Number.POSITIVE_INFINITY };
  }
  for (let i = 0; i < expected.length; i++) {
    const difference = distance(expected[i], found[i]);
    if (difference <= worst.difference) continue;
    worst = { difference, allowed, token: i, expected: expected[i], found: found[i] };
  }
  return worst;
}

/** The log-probability that lies farthest beyond what is allowed to it. */
function worstLogprob(
  expected: Float64Array,
  found: ReadonlyMap<number, number>,
  error: number,
): Worst {
  const rounding = (value: number) => (8 + Math.sqrt(expected.length) - value) * 2 ** -23;
  let worst: Worst = { ...NONE, difference: Number.POSITIVE_INFINITY };
  let beyond = Number.NEGATIVE_INFINITY;
  let [least, mass] = [0, 0];
  const judge = (token: number, a: number, b: number) => {
    const difference = distance(a, b);
    const allowed = error + rounding(a);
    if (difference - allowed <= beyond) return;
    beyond = difference - allowed;
    worst = { difference, allowed, token, expected: a, found: b };
  };
  for (const [token, value] of found) {
    judge(token, Math.max(FLOOR, expected[token] ?? Number.NaN), Math.max(FLOOR, value));
    least = Math.min(least, Math.max(FLOOR, value));
    mass += exp(Math.max(FLOOR, value));
  }
  // Whoever was left out is no likelier than the last one in the list.
  for (let token = 0; token < expected.length && found.size > 0; token++) {
    if (expected[token] > least && !found.has(token)) judge(token, expected[token], least);
  }
  if (mass > 1) judge(topOf(found), 0, log(mass));
  return worst;
}

function distance(expected: number, found: number): number {
  const difference = Math.abs(expected - found);
  if (expected === found) return 0;
  return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
}

function largestMagnitude(x: Numbers): number {
  let largest = 0;
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, Math.abs(x[i]));
  return largest;
}

/** The first key of the largest value; −1 when there is none, or a NaN hides it. */
function topOf(entries: Iterable<readonly [number, number]>): number {
  let [top, most] = [-1, Number.NEGATIVE_INFINITY];
  for (const [key, value] of entries) {
    if (Number.isNaN(value)) return -1;
    if (value > most) [top, most] = [key, value];
  }
  return top;
}
