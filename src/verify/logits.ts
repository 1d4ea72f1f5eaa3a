/** How far the next-token distributions of two backends lie apart, position by position:
 *
 *      p = softmax(expected), q = softmax(found)         KL = Σ p · (ln p − ln q)
 *
 *  A top-1 token that differs is a tie when the expected scores of both tokens lie no farther apart
 *  than twice what the bar allows: rounding may then choose either. Where the next
 *  token is known, perplexity = e^(−mean ln p[next]). */

import { exp, log } from '../math/index.ts';
import type { Numbers } from './statistics.ts';

export interface LogitsStatistics {
  readonly positions: number;
  readonly klMean: number;
  readonly klMax: number;
  /** The value that one position in a thousand lies above. */
  readonly klP999: number;
  /** Share of positions whose likeliest token is the same, ties included. */
  readonly top1Agreement: number;
  /** Positions whose likeliest token differs only as rounding may choose. */
  readonly ties: number;
  /** Undefined where no next token is known. */
  readonly perplexityExpected: number | undefined;
  readonly perplexityFound: number | undefined;
}

export interface LogitsCollector {
  /** Adds one position. @param label the token that follows it, if known */
  add(expected: Numbers, found: Numbers, label: number | undefined): void;
  result(): LogitsStatistics;
}

/** Starts a comparison of logits.
 *  @param bar allowed difference, relative to the largest score of a row */
export function collectLogitsStatistics(bar = 0): LogitsCollector {
  const divergences: number[] = [];
  let [agreeing, ties, labels, expectedLoss, foundLoss] = [0, 0, 0, 0, 0];
  return {
    add(expected, found, label) {
      const [p, q] = [logNormalizer(expected), logNormalizer(found)];
      divergences.push(divergence(expected, found, p, q));
      const [first, second] = [largestIndex(expected), largestIndex(found)];
      const isTie = first !== second && isNearTie(expected, first, second, bar);
      if (isTie) ties += 1;
      if (first === second || isTie) agreeing += 1;
      if (label === undefined || !(label >= 0 && label < expected.length)) return;
      labels += 1;
      expectedLoss += p - expected[label];
      foundLoss += q - found[label];
    },
    result() {
      const positions = divergences.length;
      const sorted = [...divergences].sort((a, b) => a - b);
      const total = divergences.reduce((sum, value) => sum + value, 0);
      const perplexity = (loss: number) => (labels === 0 ? undefined : exp(loss / labels));
      return {
        positions,
        klMean: positions === 0 ? 0 : total / positions,
        klMax: sorted.at(-1) ?? 0,
        klP999: sorted[Math.max(0, Math.ceil(0.999 * positions) - 1)] ?? 0,
        top1Agreement: positions === 0 ? 1 : agreeing / positions,
        ties,
        perplexityExpected: perplexity(expectedLoss),
        perplexityFound: perplexity(foundLoss),
      };
    },
  };
}

/** ln Σ e^x, of the scores of one position. */
export function logNormalizer(x: Numbers): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) max = Math.max(max, x[i]);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += exp(x[i] - max);
  return max + log(sum);
}

/** KL of one row, at least 0: rounding may make a sum of nothing negative. */
function divergence(expected: Numbers, found: Numbers, p: number, q: number): number {
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    const logP = expected[i] - p;
    const weight = exp(logP);
    if (weight > 0) sum += weight * (logP - (found[i] - q));
  }
  return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : Math.max(0, sum);
}

function isNearTie(expected: Numbers, first: number, second: number, bar: number): boolean {
  if (first < 0 || second < 0) return false;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]));
  return expected[first] - expected[second] <= 2 * bar * largest;
}

/** The first index of the largest element; −1 when a NaN hides it. */
function largestIndex(x: Numbers): number {
  let best = -1;
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i])) return -1;
    if (best < 0 || x[i] > x[best]) best = i;
  }
  return best;
}
