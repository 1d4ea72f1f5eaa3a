/** Scores in order: the greatest, the k-th greatest, all of them ascending. No score is NaN. */

/** Up to this k the k-th greatest is found by insertion, beyond it by sorting. */
const INSERTION_LIMIT = 256;

/** The greatest score.
 *  @param scores `[V]` @returns -Infinity when there is none */
export function maximum(scores: Float32Array): number {
  let greatest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < scores.length; id++) if (scores[id] > greatest) greatest = scores[id];
  return greatest;
}

/** The id of the greatest score; of equal ones the lowest, as PyTorch's `argmax` on the CPU.
 *  @param scores `[V]`, at least one */
export function argMax(scores: Float32Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if (scores[id] > scores[best]) best = id;
  return best;
}

/** The k-th greatest score, equal ones counted each.
 *  @param scores `[V]` @param k 1 … V */
export function kthLargest(scores: Float32Array, k: number): number {
  if (k > INSERTION_LIMIT) return scores.slice().sort()[scores.length - k];
  // The k greatest so far, ascending.
  const greatest = new Float32Array(k).fill(Number.NEGATIVE_INFINITY);
  for (let id = 0; id < scores.length; id++) {
    const score = scores[id];
    if (score <= greatest[0]) continue;
    let slot = 0;
    while (slot + 1 < k && greatest[slot + 1] < score) {
      greatest[slot] = greatest[slot + 1];
      slot++;
    }
    greatest[slot] = score;
  }
  return greatest[0];
}

/** Sorts ids by ascending score, equal scores by ascending id.
 *  @param scores `[V]` @param ids (overwritten) each 0 … V - 1 */
export function sortByScore(scores: Float32Array, ids: Int32Array): void {
  ids.sort((a, b) => scores[a] - scores[b] || a - b);
}

/** The n greatest scores' ids, descending, equal scores by ascending id.
 *  @param scores `[V]` @param n at least 0 @returns at most n ids */
export function topIds(scores: Float32Array, n: number): number[] {
  const count = Math.min(n, scores.length);
  if (count === 0) return [];
  const threshold = kthLargest(scores, count);
  const above: number[] = [];
  const equal: number[] = [];
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] > threshold) above.push(id);
    else if (scores[id] === threshold && equal.length < count) equal.push(id);
  }
  above.sort((a, b) => scores[b] - scores[a] || a - b);
  return [...above, ...equal].slice(0, count);
}
