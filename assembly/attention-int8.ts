/** Causal attention over an int8 cache, head by head:
 *
 *      score[t, s] = (q[t] · k[s]) · scale + slope · s     for s ≤ position + t
 *      y[t]        = Σ_s e^(score[t, s] − max) · v[s] / Σ_s e^(score[t, s] − max)
 *
 *  Blocks of 64 positions of one layer, found through a table of their pointers; B is D rounded up
 *  to a multiple of 4, and append-key-value.ts has the picture:
 *
 *      | H × keys and their scales | value scales [H][64] f32 | H × values |
 *
 *  The query is quantized like the keys, so q · k is an integer; so is Σ p · v within a block, with
 *  weights of 14 bits: scores-int8.ts and values-int8.ts. Blocks are then added in float32, in
 *  ascending order. Both builds give the same bits.
 *
 *  Scratch of a call, of all its heads together:
 *
 *      | for each head | maxima, what an integer score is worth, the greatest that there can be,
 *      |               | block scales: [4][2] f32 | lowest block that was read |
 *      |               | sums of lanes: [2][4] f64 | tile | weights |
 *      | rows of scores | [blocks][heads][queries][64] f32 |
 *
 *  Two queries share what is read of the cache, one that is left over goes alone; the steps of a
 *  query are the same either way. Everything is done block by block, a step for all heads before
 *  the next step, so that long runs of memory are read without a pause.
 *
 *  With ALiBi most heads see only their neighbourhood: e^−104 is 0 in float32. A block of keys is
 *  not read when Σ|q| · 127 and the greatest key scale show that every exponential of it is 0, and
 *  a block of values is not read when its weights are 0. Neither changes a bit. */

import { biasBlock, hideBlocks, observeProbs, observeScores } from './attention-row';
import { greatestMagnitude, int8Inverse, int8Scale } from './int8-row';
import { greatestScale, scoreOneInt8, scoreTwoInt8, writeQuery } from './scores-int8';
import { divideRow, expBlock, sumOfLanes } from './softmax-row';
import { WEIGHTS_BYTES, weighOneInt8, weighTwoInt8, writeWeights } from './values-int8';

// What a head has in scratch: the maxima come first.
const FACTORS: usize = 8;
const REACHES: usize = 16;
const SCALES: usize = 24;
const LOWEST: usize = 32;
const SUMS: usize = 40;
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
  // One token reads every block once, its heads in the order in which they lie. A prompt reads the
  // blocks of one head many times over, which then stay in the cache.
  const heads: usize = count < 2 ? headEnd - headStart : 1;
  for (let h = headStart; h < headEnd; h += heads) {
    const scratch = scratchPtr + h * scratchStride;
    for (let t: usize = 0; t < count; ) {
      const queries: usize = count - t >= 2 ? 2 : 1;
      const seen = <i32>(position + t + 1);
      const row = (t * H + h) * D * 4;
      const slopes: usize = slopesPtr === 0 ? 0 : slopesPtr + h * 4;
      const observed = (h * count + t) * (position + count) * 4;
      const scores: usize = scoresPtr === 0 ? 0 : scoresPtr + observed;
      const probs: usize = probsPtr === 0 ? 0 : probsPtr + observed;
      prepare(scratch, yPtr + row, qPtr + row, H, D, heads, queries, <f32>scale);
      const S = <i32>(position + count);
      score(scratch, tablePtr, D, h, heads, seen, queries, slopes, scores, count, S);
      weigh(scratch, yPtr + row, tablePtr, H, D, h, heads, seen, queries);
      finish(scratch, yPtr + row, H, D, heads, seen, queries, probs, count, S);
      t += queries;
    }
  }
}

/** Bytes of what a head has in scratch beside its rows. */
@inline
function headBytes(D: usize): usize {
  return TILE + ((D + 3) & ~3) * 4 + WEIGHTS_BYTES * 2;
}

/** Clears maxima, sums and y, quantizes the queries, and keeps what their integer scores are worth
 *  and how large they can be. */
function prepare(
  scratch: usize,
  yPtr: usize,
  qPtr: usize,
  H: usize,
  D: usize,
  heads: usize,
  queries: usize,
  scale: f32,
): void {
  for (let h: usize = 0; h < heads; h++) {
    memory.fill(scratch + SUMS, 0, SUMS_BYTES);
    for (let j: usize = 0; j < queries; j++) {
      const row = (j * H + h) * D * 4;
      const greatest = greatestMagnitude(qPtr + row, D);
      const inverse = int8Inverse(greatest);
      const magnitudes = writeQuery(scratch + TILE, j, queries, qPtr + row, D, inverse);
      const factor = int8Scale(greatest) * scale;
      store<f32>(scratch + j * 4, -Infinity);
      store<f32>(scratch + j * 4, factor, FACTORS);
      store<f32>(scratch + j * 4, abs<f32>(factor) * <f32>(magnitudes * 127), REACHES);
      memory.fill(yPtr + row, 0, D * 4);
    }
    scratch += headBytes(D);
  }
}

/** Biased scores into the rows of scratch, and the maxima.
 *  @param first head of those that are done @param seen positions that the first query sees; the
 *  second sees one more @param scoresPtr of the first head and query `[S]` (overwritten), or 0 */
function score(
  scratch: usize,
  tablePtr: usize,
  D: usize,
  first: usize,
  heads: usize,
  seen: i32,
  queries: usize,
  slopesPtr: usize,
  scoresPtr: usize,
  count: usize,
  S: i32,
): void {
  const B = (D + 3) & ~3;
  const lastSeen = seen + <i32>queries - 1;
  const rows = scratch + heads * headBytes(D);
  // From the newest block on, since the bias leaves the greatest score there.
  for (let block = ((lastSeen + 63) >> 6) - 1; block >= 0; block--) {
    const s = block << 6;
    const positions = <usize>min(lastSeen - s, 64);
    const blockRows = rows + <usize>block * heads * queries * 256;
    let x = blockRows;
    let own = scratch;
    let keys = <usize>load<u32>(tablePtr + <usize>block * 4) + first * (B + 4) * 64;
    for (let h: usize = 0; h < heads; h++) {
      const slope: f32 = slopesPtr === 0 ? 0 : load<f32>(slopesPtr + h * 4);
      const factor = load<f32>(own, FACTORS);
      if (scoresPtr === 0 && isOutOfReach(own, keys, B, s + 64 - seen, queries, slope)) {
        hideBlocks(x, queries);
      } else {
        store<i32>(own, block, LOWEST);
        if (queries === 2) {
          const factor1 = load<f32>(own, FACTORS + 4);
          scoreTwoInt8(x, 256, own + TILE, keys, B, positions, factor, factor1);
        } else {
          scoreOneInt8(x, own + TILE, keys, B, positions, factor);
        }
      }
      x += queries * 256;
      own += headBytes(D);
      keys += (B + 4) * 64;
    }
    x = blockRows;
    own = scratch;
    for (let h: usize = 0; h < heads; h++) {
      const slope: f32 = slopesPtr === 0 ? 0 : load<f32>(slopesPtr + h * 4);
      const isRead = block >= load<i32>(own, LOWEST);
      for (let j: usize = 0; isRead && j < queries; j++) {
        const visible = seen + <i32>j;
        if (scoresPtr !== 0) {
          const observed = scoresPtr + (h * count + j) * <usize>S * 4;
          observeScores(observed, x + j * 256, s, visible, S, slope);
        }
        const greatest = biasBlock(x + j * 256, s, visible, slope);
        store<f32>(own + j * 4, max<f32>(load<f32>(own + j * 4), greatest));
      }
      x += queries * 256;
      own += headBytes(D);
    }
  }
}

/** Whether every exponential of a block is 0 for all queries, whatever its keys are.
 *  @param distance of its last position from the first query, not positive if it is before it */
function isOutOfReach(
  own: usize,
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
    const greatest = <f64>load<f32>(own + j * 4, REACHES) * scale + bias;
    if (!(greatest < <f64>load<f32>(own + j * 4) - LEAST_DIFFERENCE)) return false;
  }
  return true;
}

/** Exponentials in the rows of scratch, and the values, weighted by them, in y. */
function weigh(
  scratch: usize,
  yPtr: usize,
  tablePtr: usize,
  H: usize,
  D: usize,
  first: usize,
  heads: usize,
  seen: i32,
  queries: usize,
): void {
  const B = (D + 3) & ~3;
  const lastSeen = seen + <i32>queries - 1;
  const blocks = (lastSeen + 63) >> 6;
  const weights = TILE + B * 4;
  let x = scratch + heads * headBytes(D);
  for (let block: i32 = 0; block < blocks; block++) {
    const quads = <usize>(min(lastSeen - (block << 6), 64) + 3) >> 2;
    const base = <usize>load<u32>(tablePtr + <usize>block * 4) + H * (B + 4) * 64;
    let own = scratch;
    for (let h: usize = 0; h < heads; h++) {
      const scales = base + (first + h) * 256;
      store<u64>(own, 0, SCALES);
      const isRead = block >= load<i32>(own, LOWEST);
      for (let j: usize = 0; isRead && j < queries; j++) {
        const row = x + j * 256;
        const target = own + weights + j * WEIGHTS_BYTES;
        if (expBlock(row, load<f32>(own + j * 4), own + SUMS + j * 32)) {
          store<f32>(own + j * 4, writeWeights(target, row, scales), SCALES);
        } else {
          memory.fill(target, 0, WEIGHTS_BYTES);
        }
      }
      x += queries * 256;
      own += headBytes(D);
    }
    own = scratch;
    let values = base + H * 256 + first * B * 64;
    for (let h: usize = 0; h < heads; h++) {
      const y = yPtr + h * D * 4;
      const scale = load<f32>(own, SCALES);
      if (queries === 2) {
        const scale1 = load<f32>(own, SCALES + 4);
        if (scale !== 0 || scale1 !== 0) {
          weighTwoInt8(y, H * D * 4, own + weights, values, D, quads, scale, scale1);
        }
      } else if (scale !== 0) {
        weighOneInt8(y, own + weights, values, D, quads, scale);
      }
      own += headBytes(D);
      values += B * 64;
    }
  }
}

/** Divides y by the sums, and shows the probabilities.
 *  @param probsPtr of the first head and query `[S]` (overwritten), or 0 */
function finish(
  scratch: usize,
  yPtr: usize,
  H: usize,
  D: usize,
  heads: usize,
  seen: i32,
  queries: usize,
  probsPtr: usize,
  count: usize,
  S: i32,
): void {
  const rows = scratch + heads * headBytes(D);
  for (let h: usize = 0; h < heads; h++) {
    // Blocks below the lowest one that was read hold no exponentials: all of theirs are 0.
    const first = load<i32>(scratch + h * headBytes(D), LOWEST) << 6;
    for (let j: usize = 0; j < queries; j++) {
      const sum = sumOfLanes(scratch + h * headBytes(D) + SUMS + j * 32);
      const y = yPtr + (j * H + h) * D * 4;
      divideRow(y, y, D, sum);
      if (probsPtr === 0) continue;
      const observed = probsPtr + (h * count + j) * <usize>S * 4;
      const x = rows + (h * queries + j) * 256;
      observeProbs(observed, x, heads * queries * 256, first, seen + <i32>j, S, sum);
    }
  }
}
