/** How far next-token distributions lie from those of a reference. */

export interface Divergence {
  /** Mean and greatest Kullback–Leibler divergence Σ p · ln(p / q) over the tokens, in nats. */
  readonly mean: number;
  readonly greatest: number;
  /** Share of the tokens for which both have the same most probable successor. */
  readonly top1: number;
}

/** Compares logits, row by row.
 *  @param expected,found `[T, V]` of every sequence @param vocabulary V */
export function divergence(
  expected: readonly Float32Array[],
  found: readonly Float32Array[],
  vocabulary: number,
): Divergence {
  let [sum, greatest, agreeing, tokens] = [0, 0, 0, 0];
  for (const [index, logits] of expected.entries()) {
    for (let start = 0; start < logits.length; start += vocabulary) {
      const p = logits.subarray(start, start + vocabulary);
      const q = found[index].subarray(start, start + vocabulary);
      const kl = klDivergence(p, q);
      sum += kl;
      greatest = Math.max(greatest, kl);
      if (p.indexOf(maximum(p)) === q.indexOf(maximum(q))) agreeing += 1;
      tokens += 1;
    }
  }
  return { mean: sum / tokens, greatest, top1: agreeing / tokens };
}

/** Σ p · ln(p / q) of the distributions that two rows of logits stand for. */
export function klDivergence(p: Float32Array, q: Float32Array): number {
  const [logSumP, logSumQ] = [logSumExp(p), logSumExp(q)];
  let kl = 0;
  for (let i = 0; i < p.length; i++) {
    const [logP, logQ] = [p[i] - logSumP, q[i] - logSumQ];
    kl += Math.exp(logP) * (logP - logQ);
  }
  return kl;
}

function logSumExp(logits: Float32Array): number {
  const most = maximum(logits);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - most);
  return most + Math.log(sum);
}

function maximum(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}
