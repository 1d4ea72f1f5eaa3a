/** The softmax of scores before its division: weights e^(x - max) and their sum, in float64 with
 *  our own `exp`, summed in order of id: the same on every runtime. */
import { exp } from '../math/index.ts';
import { maximum } from './ranking.ts';

/** Probabilities times `total`. */
export interface Softmax {
  /** The greatest score. */
  readonly greatest: number;
  /** e^(x - greatest) `[V]`; 1 for the greatest score, 0 for a removed one. */
  readonly weights: Float64Array;
  /** The sum of the weights, at least 1. */
  readonly total: number;
}

/** Weights of scores.
 *  @param scores `[V]`, at least one above -Infinity */
export function softmax(scores: Float32Array): Softmax {
  const greatest = maximum(scores);
  const weights = new Float64Array(scores.length);
  let total = 0;
  for (let id = 0; id < scores.length; id++) {
    weights[id] = exp(scores[id] - greatest);
    total += weights[id];
  }
  return { greatest, weights, total };
}
