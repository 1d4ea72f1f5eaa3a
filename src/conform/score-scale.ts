/** How large the scores are that probabilities were made of: a rounding of a score is a relative
 *  error of its probability. */

import { traceName } from '../model/trace-points.ts';
import { collectStatistics } from '../verify/statistics.ts';
import { piecesOf } from './pieces.ts';
import type { BarContext } from './roundings.ts';
import { findEntry, type TraceSource } from './trace-source.ts';

/** Scores without a bias are rarely larger. */
const USUAL_SCORE = 64;

/** The largest score of a layer whose scores are not compared: as recorded, else as large as they
 *  usually are or, with ALiBi, as the bias of the steepest head makes them.
 *  @throws io-… */
export async function scoreScaleOf(
  trace: TraceSource,
  layer: number,
  { position, sizes }: Pick<BarContext, 'position' | 'sizes'>,
): Promise<number> {
  const entry = findEntry(trace, traceName('scores', layer));
  if (entry === undefined) {
    return position === 'alibi' ? Math.max(USUAL_SCORE, sizes.T ?? 0) : USUAL_SCORE;
  }
  const statistics = collectStatistics();
  for await (const { expected } of piecesOf(entry, entry)) statistics.add(expected, expected);
  return statistics.result().largest;
}
