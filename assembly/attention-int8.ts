/** Causal attention over an int8 cache, head by head:
 *
 *      score[t, s] = (q[t] · k[s]) · scale + slope · s     for s ≤ position + t
 *      y[t]        = Σ_s e^(score[t, s] − max) · v[s] / Σ_s e^(score[t, s] − max)
 *
 *  Blocks of 64 positions of one layer, found through a table of their pointers; B is D rounded up
 *  to a multiple of 4, and append-key-value.ts has the picture:
 *
 *      | H × keys and their scales, 64 · B + 256 bytes | H × scales and values, as many |
 *
 *  The query is quantized like the keys, so q · k is an integer; so is Σ p · v within a block, with
 *  weights of 14 bits: scores-int8.ts and values-int8.ts. Blocks are then added in float32, in
 *  ascending order. Both builds give the same bits.
 *
 *  Scratch of a head: maxima; what an integer score is worth, and the greatest that there can be,
 *  times a key's scale; sums of four lanes; tile; weights; rows of scores:
 *
 *      | [3][2] f32 | [2][4] f64 | [B] × 4 bytes | 2 × 128 bytes | [2][64 · blocks] f32 |
 *
 *  Two queries share what is read of the cache, one that is left over goes alone; the steps of a
 *  query are the same either way.
 *
 *  With ALiBi most heads see only their neighbourhood: e^−104 is 0 in float32. A block of keys is
 *  not read when Σ|q| · 127 and the greatest key scale show that every exponential of it is 0, and
 *  a block of values is not read when its weights are 0. Neither changes a bit. */

import { biasBlock, hideBlock, observeProbs, observeScores } from './attention-row';
import { greatestMagnitude, int8Inverse, int8Scale } from './int8-row';
import { greatestScale, scoreOneInt8, scoreTwoInt8, writeQuery } from './scores-int8';
import { divideRow, expBlock, sumOfLanes } from './softmax-row';
import { WEIGHTS_BYTES, weighOneInt8, weighTwoInt8, writeWeights } from './values-int8';

// The scratch of a head: the maxima come first.
const FACTORS: usize = 8;
const REACHES: usize = 16;
const SUMS: usize = 24;
const SUMS_BYTES: usize = 64;
const TILE: usize = SUMS + SUMS_BYTES;

/** e^−104 is 0 in float32; the rest covers the rounding of scores. */
const LEAST_DIFFERENCE: f64 = 106;

/** Heads `headStart` to `headEnd`.
 *  @param yPtr `[T, H, D]` (overwritten in those heads) @param qPtr `[T, H, D]`
 *  @param tablePtr pointers of the blocks, oldest first @param slopesPtr `[H]`, or 0 for no bias
 *  @param scoresPtr,probsPtr `[H, T, S]` (overwritten in those heads), or 0
 *  @param scratchPtr (overwritten) `scratchStride` bytes for each head of the layer */
export function attentionInt8(
  yPtr: usize,
  qPtr: usize,
  tablePtr: usize,
  H: usize,
  D: usize,
  position: usize,
  count: usize,
  scale: f64,
  slopesPtr: usize,
  scoresPtr: usize,
  probsPtr: usize,
  scratchPtr: usize,
  scratchStride: usize,
  headStart: usize,
  headEnd: usize,
): void {
  const S = position + count;
  const headBytes = (((D + 3) & ~3) + 4) * 64;
  // One token reads every block once, its heads in the order in which they lie. A prompt reads the
  // blocks of one head many times over, which then stay in the cache.
  const heads: usize = count < 2 ? headEnd - headStart : 1;
  for (let first = headStart; first < headEnd; first += heads) {
    for (let t: usize = 0; t < count; ) {
      const queries: usize = count - t >= 2 ? 2 : 1;
      const blocks = <i32>((position + t + queries + 63) >> 6);
      const seen = <i32>(position + t + 1);
      const y = yPtr + t * H * D * 4;
      for (let h = first; h < first + heads; h++) {
        const q = qPtr + (t * H + h) * D * 4;
        prepare(scratchPtr + h * scratchStride, y + h * D * 4, q, H, D, queries, <f32>scale);
      }
      // From the newest block on, since the bias leaves the greatest score there.
      for (let block = blocks - 1; block >= 0; block--) {
        const base = <usize>load<u32>(tablePtr + <usize>block * 4);
        for (let h = first; h < first + heads; h++) {
          const slope: f32 = slopesPtr === 0 ? 0 : load<f32>(slopesPtr + h * 4);
          const observed: usize = scoresPtr === 0 ? 0 : scoresPtr + (h * count + t) * S * 4;
          const scratch = scratchPtr + h * scratchStride;
          score(scratch, base + h * headBytes, D, block, seen, queries, slope, observed, S);
        }
      }
      for (let block: i32 = 0; block < blocks; block++) {
        const base = <usize>load<u32>(tablePtr + <usize>block * 4) + H * headBytes;
        for (let h = first; h < first + heads; h++) {
          const scratch = scratchPtr + h * scratchStride;
          weigh(scratch, y + h * D * 4, base + h * headBytes, H, D, block, seen, queries);
        }
      }
      for (let h = first; h < first + heads; h++) {
        const observed: usize = probsPtr === 0 ? 0 : probsPtr + (h * count + t) * S * 4;
        finish(scratchPtr + h * scratchStride, y + h * D * 4, H, D, seen, queries, observed, S);
      }
      t += queries;
    }
  }
}

/** Clears maxima, sums and y, quantizes the queries, and keeps what their integer scores are worth
 *  and how large they can be. */
function prepare(
  scratch: usize,
  yPtr: usize,
  qPtr: usize,
  H: usize,
  D: usize,
  queries: usize,
  scale: f32,
): void {
  memory.fill(scratch + SUMS, 0, SUMS_BYTES);
  for (let j: usize = 0; j < queries; j++) {
    const q = qPtr + j * H * D * 4;
    const greatest = greatestMagnitude(q, D);
    const magnitudes = writeQuery(scratch + TILE, j, queries, q, D, int8Inverse(greatest));
    const factor = int8Scale(greatest) * scale;
    store<f32>(scratch + j * 4, -Infinity);
    store<f32>(scratch + j * 4, factor, FACTORS);
    store<f32>(scratch + j * 4, abs<f32>(factor) * <f32>(magnitudes * 127), REACHES);
    memory.fill(yPtr + j * H * D * 4, 0, D * 4);
  }
}

/** Biased scores of one block and head into the rows of scratch, and the maxima.
 *  @param seen positions that the first query sees; the second sees one more
 *  @param scoresPtr of the first query `[S]` (overwritten in this block), or 0 */
function score(
  scratch: usize,
  keysPtr: usize,
  D: usize,
  block: i32,
  seen: i32,
  queries: usize,
  slope: f32,
  scoresPtr: usize,
  S: usize,
): void {
  const B = (D + 3) & ~3;
  const s = block << 6;
  const lastSeen = seen + <i32>queries - 1;
  const tile = scratch + TILE;
  const rowBytes = <usize>((lastSeen + 63) >> 6) * 256;
  const row = tile + B * 4 + WEIGHTS_BYTES * 2 + <usize>block * 256;
  const positions = <usize>min(lastSeen - s, 64);
  if (scoresPtr === 0 && isOutOfReach(scratch, keysPtr, B, s + 64 - seen, queries, slope)) {
    for (let j: usize = 0; j < queries; j++) hideBlock(row + j * rowBytes);
    return;
  }
  const factor = load<f32>(scratch, FACTORS);
  if (queries === 2) {
    const factor1 = load<f32>(scratch, FACTORS + 4);
    scoreTwoInt8(row, rowBytes, tile, keysPtr, B, positions, factor, factor1);
  } else {
    scoreOneInt8(row, tile, keysPtr, B, positions, factor);
  }
  for (let j: usize = 0; j < queries; j++) {
    const x = row + j * rowBytes;
    const visible = seen + <i32>j;
    if (scoresPtr !== 0) observeScores(scoresPtr + j * S * 4, x, s, visible, <i32>S, slope);
    const greatest = biasBlock(x, s, visible, slope);
    store<f32>(scratch + j * 4, max<f32>(load<f32>(scratch + j * 4), greatest));
  }
}

/** Whether every exponential of a block is 0 for all queries, whatever its keys are.
 *  @param distance of its last position from the first query, not positive if it is before it */
function isOutOfReach(
  scratch: usize,
  keysPtr: usize,
  B: usize,
  distance: i32,
  queries: usize,
  slope: f32,
): bool {
  const bias = <f64>slope * <f64>distance;
  if (!(bias < -LEAST_DIFFERENCE)) return false;
  const scale = <f64>greatestScale(keysPtr, B);
  for (let j: usize = 0; j < queries; j++) {
    const greatest = <f64>load<f32>(scratch + j * 4, REACHES) * scale + bias;
    if (!(greatest < <f64>load<f32>(scratch + j * 4) - LEAST_DIFFERENCE)) return false;
  }
  return true;
}

/** Exponentials of one block and head, and its values, weighted by them, added to y. */
function weigh(
  scratch: usize,
  yPtr: usize,
  valuesPtr: usize,
  H: usize,
  D: usize,
  block: i32,
  seen: i32,
  queries: usize,
): void {
  const lastSeen = seen + <i32>queries - 1;
  const rowBytes = <usize>((lastSeen + 63) >> 6) * 256;
  const weights = scratch + TILE + ((D + 3) & ~3) * 4;
  const row = weights + WEIGHTS_BYTES * 2 + <usize>block * 256;
  const quads = <usize>(min(lastSeen - (block << 6), 64) + 3) >> 2;
  const isSomething = expBlock(row, load<f32>(scratch), scratch + SUMS);
  const scale: f32 = isSomething ? writeWeights(weights, row, valuesPtr) : 0;
  if (queries === 2) {
    const row1 = row + rowBytes;
    const weights1 = weights + WEIGHTS_BYTES;
    const isSomething1 = expBlock(row1, load<f32>(scratch, 4), scratch + SUMS + 32);
    if (!isSomething && !isSomething1) return;
    const scale1 = writeWeights(weights1, row1, valuesPtr);
    if (!isSomething) memory.fill(weights, 0, WEIGHTS_BYTES);
    weighTwoInt8(yPtr, H * D * 4, weights, valuesPtr, D, quads, scale, scale1);
  } else if (scale !== 0) {
    weighOneInt8(yPtr, weights, valuesPtr, D, quads, scale);
  }
}

/** Divides y by the sums, and shows the probabilities.
 *  @param probsPtr of the first query `[S]` (overwritten), or 0 */
function finish(
  scratch: usize,
  yPtr: usize,
  H: usize,
  D: usize,
  seen: i32,
  queries: usize,
  probsPtr: usize,
  S: usize,
): void {
  const rowBytes = <usize>((seen + <i32>queries + 62) >> 6) * 256;
  for (let j: usize = 0; j < queries; j++) {
    const sum = sumOfLanes(scratch + SUMS + j * 32);
    const y = yPtr + j * H * D * 4;
    divideRow(y, y, D, sum);
    if (probsPtr === 0) continue;
    const x = scratch + TILE + ((D + 3) & ~3) * 4 + WEIGHTS_BYTES * 2 + j * rowBytes;
    observeProbs(probsPtr + j * S * 4, x, seen + <i32>j, <i32>S, sum);
  }
}
