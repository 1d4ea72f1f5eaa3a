/** What both attention kernels do with the scores of one query, 64 positions at a time: the bias,
 *  the maximum, the mask, and what a trace sees.
 *
 *  The bias is used in the distance form slope · (s − t), t being the query's position: its
 *  rounding errors are those of a number near 0 where the probabilities are not near 0. Softmax
 *  makes it equal to the published form slope · s, whose error at position 4095 is 2⁻¹³. A trace
 *  sees the published form.
 *
 *  A row of scratch holds whole blocks. Positions that the query does not see become −∞ there,
 *  whatever stood in the cache, and their exponentials are 0. */

import { maxLanes } from './softmax-row';

const MASKED: f32 = -3.4028234663852886e38;

/** x[s] = x[s] + slope · (s − t) for s < visible, −∞ after, over the 64 positions from `s` on.
 *  @param xPtr scores times scale (overwritten) @returns their maximum; NaN may be passed over,
 *  since its exponential is NaN whatever the maximum */
export function biasBlock(xPtr: usize, s: i32, visible: i32, slope: f32): f32 {
  const slopes = f32x4.splat(slope);
  const four = f32x4.splat(4);
  const start = f32x4.splat(<f32>(s - (visible - 1)));
  let distance = f32x4.add(start, f32x4(0, 1, 2, 3));
  let max = f32x4.splat(-Infinity);
  const end = xPtr + 256;
  if (visible - s >= 64) {
    for (; xPtr < end; xPtr += 16) {
      const x = f32x4.add(v128.load(xPtr), f32x4.mul(slopes, distance));
      distance = f32x4.add(distance, four);
      max = f32x4.pmax(max, x);
      v128.store(xPtr, x);
    }
  } else {
    for (; xPtr < end; xPtr += 16) {
      const biased = f32x4.add(v128.load(xPtr), f32x4.mul(slopes, distance));
      const isSeen = f32x4.le(distance, f32x4.splat(0));
      const x = v128.bitselect(biased, f32x4.splat(-Infinity), isSeen);
      distance = f32x4.add(distance, four);
      max = f32x4.pmax(max, x);
      v128.store(xPtr, x);
    }
  }
  return maxLanes(max);
}

/** Makes blocks of 64 positions such that are not seen. */
export function hideBlocks(xPtr: usize, blocks: usize): void {
  const nothing = f32x4.splat(-Infinity);
  for (const end = xPtr + blocks * 256; xPtr < end; xPtr += 16) v128.store(xPtr, nothing);
}

/** The published scores of the 64 positions from `s` on: x[s] + slope · s. Behind the last one that
 *  the query sees, all others get the smallest float32.
 *  @param scoresPtr of one query `[S]` (overwritten in those positions)
 *  @param xPtr of those 64 positions, scores times scale */
export function observeScores(
  scoresPtr: usize,
  xPtr: usize,
  s: i32,
  visible: i32,
  S: i32,
  slope: f32,
): void {
  for (const end = s + 64 < visible ? s + 64 : S; s < end; s++) {
    const x = s < visible ? load<f32>(xPtr) + slope * <f32>s : MASKED;
    store<f32>(scoresPtr + (<usize>s << 2), x);
    xPtr += 4;
  }
}

/** The probabilities x[s] / sum, or 0.
 *  @param probsPtr of one query `[S]` (overwritten)
 *  @param xPtr exponentials, 64 and then the next 64 `stride` bytes on
 *  @param first position that has one in x; those of the positions before it are 0 */
export function observeProbs(
  probsPtr: usize,
  xPtr: usize,
  stride: usize,
  first: i32,
  visible: i32,
  S: i32,
  sum: f32,
): void {
  for (let s: i32 = 0; s < S; s++) {
    const x = xPtr + (<usize>s >> 6) * stride + (<usize>s & 63) * 4;
    const weight: f32 = s < first ? 0 : load<f32>(x);
    store<f32>(probsPtr + (<usize>s << 2), s < visible ? weight / sum : 0);
  }
}
