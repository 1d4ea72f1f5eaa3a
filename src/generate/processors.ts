/** Logits processors: what changes the scores of the next token before one is chosen.
 *
 *  The meaning and the order are those of Hugging Face transformers (generation/logits_process.py):
 *    repetition penalty → temperature → top_k → top_p → min_p
 *  Scores are float32 and every operation on them is rounded to float32, as PyTorch does it. A
 *  removed token has the score -Infinity. Each function returns new scores. */
import { kthLargest, sortByScore } from './ranking.ts';
import { softmax } from './softmax.ts';

const fround = Math.fround;
const REMOVED = Number.NEGATIVE_INFINITY;

/** What the processors need to know; all values are in range. */
export interface ProcessorOptions {
  readonly doSample: boolean;
  readonly repetitionPenalty: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
}

/** Applies every processor that is on, in Hugging Face's order; without sampling, only the
 *  repetition penalty.
 *  @param logits `[V]` @param contextIds each distinct id of prompt and output
 *  @returns scores `[V]` */
export function processLogits(
  logits: Float32Array,
  contextIds: Iterable<number>,
  options: ProcessorOptions,
): Float32Array {
  const { doSample, repetitionPenalty, temperature, topK, topP, minP } = options;
  let scores = logits;
  if (repetitionPenalty !== 1) scores = penalizeRepetition(scores, contextIds, repetitionPenalty);
  if (!doSample) return scores;
  if (temperature !== 1) scores = applyTemperature(scores, temperature);
  if (topK > 0) scores = keepTopK(scores, topK);
  if (topP < 1) scores = keepTopP(scores, topP);
  if (minP > 0) scores = keepMinP(scores, minP);
  return scores;
}

/** Makes tokens that occurred less likely: score · penalty where score < 0, else score / penalty.
 *  @param scores `[V]` @param contextIds each distinct id once @param penalty above 1 punishes
 *  @returns scores `[V]` */
export function penalizeRepetition(
  scores: Float32Array,
  contextIds: Iterable<number>,
  penalty: number,
): Float32Array {
  const y = scores.slice();
  const factor = fround(penalty);
  for (const id of contextIds) {
    const score = scores[id];
    y[id] = score < 0 ? score * factor : score / factor;
  }
  return y;
}

/** score / temperature.
 *  @param scores `[V]` @param temperature positive @returns scores `[V]` */
export function applyTemperature(scores: Float32Array, temperature: number): Float32Array {
  const divisor = fround(temperature);
  return scores.map((score) => score / divisor);
}

/** Keeps the k highest scores, and every one that equals the k-th.
 *  @param scores `[V]` @param k at least 1 @returns scores `[V]` */
export function keepTopK(scores: Float32Array, k: number): Float32Array {
  if (k >= scores.length) return scores.slice();
  const threshold = kthLargest(scores, k);
  return scores.map((score) => (score < threshold ? REMOVED : score));
}

/** Keeps the likeliest tokens whose probabilities add up to p: in ascending order of score, those
 *  whose running sum of probabilities is at most 1 - p go; the last always stays. Among equal
 *  scores the lower id comes first, and so goes first, as with PyTorch's sort on the CPU.
 *  @param scores `[V]` @param p 0 … 1 @returns scores `[V]` */
export function keepTopP(scores: Float32Array, p: number): Float32Array {
  const { weights, total } = softmax(scores);
  const limit = fround(1 - p);
  const y = scores.slice();

  // V tokens of at most limit / (2 V) cannot pass the limit: they go without being sorted.
  const negligible = (limit * total) / (2 * scores.length);
  const ids = new Int32Array(scores.length);
  let count = 0;
  let running = 0;
  for (let id = 0; id < scores.length; id++) {
    if (weights[id] >= negligible && weights[id] > 0) {
      ids[count++] = id;
    } else {
      running += weights[id];
      y[id] = REMOVED;
    }
  }

  const order = ids.subarray(0, count);
  sortByScore(scores, order);
  for (let rank = 0; rank < count - 1; rank++) {
    running += weights[order[rank]];
    if (fround(running / total) > limit) break;
    y[order[rank]] = REMOVED;
  }
  return y;
}

/** Keeps tokens at least `minP` times as likely as the likeliest.
 *  @param scores `[V]` @param minP 0 … 1 @returns scores `[V]` */
export function keepMinP(scores: Float32Array, minP: number): Float32Array {
  const { weights, total } = softmax(scores);
  // The probability of the likeliest is 1 / total.
  const limit = fround(fround(minP) * fround(1 / total));
  return scores.map((score, id) => (fround(weights[id] / total) < limit ? REMOVED : score));
}
