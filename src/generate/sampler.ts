/** Chooses the next token, and says how likely the model found it.
 *
 *  Greedy: the highest score, of equal ones the lowest id. Sampling: the inverse of the cumulative
 *  distribution in order of id, p = softmax(scores), with float64 sums in that order and our own
 *  `exp`: the same seed gives the same tokens on every runtime.
 *
 *  Log-probabilities are those of the model: log softmax of the raw logits, before any processor,
 *    ln p = x - (max + ln Σ e^(x - max)). */
import { log } from '../math/index.ts';
import type { Random } from './random.ts';
import { topIds } from './ranking.ts';
import { softmax } from './softmax.ts';

/** A token and its log-probability under the model. */
export interface TokenLogprob {
  tokenId: number;
  logprob: number;
}

/** Draws a token: the first id whose cumulative probability exceeds a uniform number.
 *  @param scores `[V]`, at least one above -Infinity @param random advanced by one uniform number
 *  @returns token id */
export function sampleToken(scores: Float32Array, random: Random): number {
  const { weights, total } = softmax(scores);
  const target = random.nextUniform() * total;

  let chosen = 0;
  let cumulative = 0;
  for (let id = 0; id < weights.length; id++) {
    if (weights[id] === 0) continue;
    chosen = id;
    cumulative += weights[id];
    if (cumulative > target) break;
  }
  return chosen;
}

/** The log-probabilities of a token and of the n likeliest tokens.
 *  @param logits `[V]`, as the model gave them @param n at least 0
 *  @returns of `tokenId`, and of the n likeliest, descending, equal ones by id */
export function logprobs(
  logits: Float32Array,
  tokenId: number,
  n: number,
): { logprob: number; topLogprobs: TokenLogprob[] } {
  const { greatest, total } = softmax(logits);
  const logTotal = log(total);
  const logprobOf = (id: number): number => logits[id] - greatest - logTotal;
  const topLogprobs = topIds(logits, n).map((id) => ({ tokenId: id, logprob: logprobOf(id) }));
  return { logprob: logprobOf(tokenId), topLogprobs };
}
