/** How far scores may lie from those of the model: the bar of `logits` on its whole path. */

import type { BaichuanConfig } from '../../config.ts';
import { traceName, tracePlace } from '../../model/trace-points.ts';
import type { ArithmeticClass } from '../../verify/bars.ts';
import { barOf } from '../roundings.ts';

/** No score may be further off than this share of the largest: opposites are twice as far as they
 *  are large, and zeros once. */
const WIDEST = 0.75;

/** Allowed difference of a score, relative to the largest of its row.
 *  @param positions tokens of the prompt, which matter to a rotary model */
export function scoreBar(
  config: BaichuanConfig,
  positions: number,
  arithmetic: ArithmeticClass,
): number {
  const place = tracePlace(traceName('logits'));
  if (place === undefined) return 0;
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numHiddenLayers: layers } = config;
  const { numAttentionHeads: H, headDim: D, position } = config;
  const sizes = { T: positions, C, F, V, H, D };
  return Math.min(WIDEST, barOf(place, { arithmetic, sizes, position, layers }, false));
}
