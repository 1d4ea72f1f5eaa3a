/** Causal attention over an int8 cache, head by head:
 *
 *      score[t, s] = (q[t] · k[s]) · scale + slope · s     for s ≤ position + t
 *      y[t]        = Σ_s e^(score[t, s] − max) · v[s] / Σ_s e^(score[t, s] − max)
 *
 *  Blocks of 64 positions of one layer, found through a table of their pointers; B is D rounded up
 *  to a multiple of 4, and append-key-value.ts has the picture:
 *
 *      | keys [H][4][B/4][16][4] | values [H][B/16][16][16][4] | scales of both [H][64] float32 |
 *
 *  The query is quantized like the keys, so q · k is an integer; so is Σ p · v within a block, with
 *  weights of 14 bits: scores-int8.ts and values-int8.ts. Blocks are then added in float32, in
 *  ascending order. Both builds give the same bits.
 *
 *  Scratch of a head: maxima, what an integer score is worth, tile, weights, rows:
 *
 *      | 2 × 4 bytes | 2 × 4 bytes | [B] × 4 bytes | 2 × 128 bytes | [2][64 · blocks] f32 |
 *
 *  Two queries share what is read of the cache, one that is left over goes alone; the steps of a
 *  query are the same either way.
 *
 *  With ALiBi most heads see only their neighbourhood: e^−104 is 0 in float32. A block of keys is
 *  not read when Σ|q| · 127 and the greatest key scale show that every exponential of it is 0, and
 *  a block of values is not read when its weights are 0. Neither changes a bit. */

import { biasBlock, firstBlock, observeProbs, observeScores } from './attention-row';
import { greatestMagnitude, int8Inverse, int8Scale } from './int8-row';
import { scoreOneInt8, scoreTwoInt8, writeQuery } from './scores-int8';
import { divideRow, expRow } from './softmax-row';
import { WEIGHTS_BYTES, weighOneInt8, weighTwoInt8, writeWeights } from './values-int8';

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
  const B = (D + 3) & ~3;
  const values = H * B * 64;
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
        prepare(scratchPtr + h * scratchStride, q, H, D, queries, <f32>scale);
      }
      // From the newest block on, since the bias leaves the greatest score there.
      for (let block = blocks - 1; block >= 0; block--) {
        const keys = <usize>load<u32>(tablePtr + <usize>block * 4);
        for (let h = first; h < first + heads; h++) {
          const slope: f32 = slopesPtr === 0 ? 0 : load<f32>(slopesPtr + h * 4);
          const observed: usize = scoresPtr === 0 ? 0 : scoresPtr + (h * count + t) * S * 4;
          const scratch = scratchPtr + h * scratchStride;
          const scales = keys + values * 2 + h * 256;
          const k = keys + h * B * 64;
          score(scratch, k, scales, B, block, seen, queries, slope, observed, S);
        }
      }
      let start = blocks;
      for (let h = first; h < first + heads; h++) {
        const observed: usize = probsPtr === 0 ? 0 : probsPtr + (h * count + t) * S * 4;
        const scratch = scratchPtr + h * scratchStride;
        start = min(start, normalize(scratch, y + h * D * 4, H, D, seen, queries, observed, S));
      }
      for (let block = start; block < blocks; block++) {
        const base = <usize>load<u32>(tablePtr + <usize>block * 4);
        for (let h = first; h < first + heads; h++) {
          const scratch = scratchPtr + h * scratchStride;
          const scales = base + values * 2 + (H + h) * 256;
          const v = base + values + h * B * 64;
          weigh(scratch, y + h * D * 4, v, scales, H, D, block, seen, queries);
        }
      }
      for (let h = first; h < first + heads; h++) {
        for (let j: usize = 0; j < queries; j++) {
          const row = y + (j * H + h) * D * 4;
          divideRow(row, row, D, load<f32>(scratchPtr + h * scratchStride + j * 4));
        }
      }
      t += queries;
    }
  }
}

/** Clears the maxima, quantizes the queries, and keeps what their integer scores are worth. */
function prepare(
  scratch: usize,
  qPtr: usize,
  H: usize,
  D: usize,
  queries: usize,
  scale: f32,
): void {
  for (let j: usize = 0; j < queries; j++) {
    const q = qPtr + j * H * D * 4;
    const greatest = greatestMagnitude(q, D);
    writeQuery(scratch + 16, j, queries, q, D, int8Inverse(greatest));
    store<f32>(scratch + j * 4, -Infinity);
    store<f32>(scratch + j * 4, int8Scale(greatest) * scale, 8);
  }
}

/** Biased scores of one block and head into the rows of scratch, and the maxima.
 *  @param seen positions that the first query sees; the second sees one more
 *  @param scoresPtr of the first query `[S]` (overwritten in this block), or 0 */
function score(
  scratch: usize,
  keysPtr: usize,
  scalesPtr: usize,
  B: usize,
  block: i32,
  seen: i32,
  queries: usize,
  slope: f32,
  scoresPtr: usize,
  S: usize,
): void {
  const s = block << 6;
  const lastSeen = seen + <i32>queries - 1;
  const tile = scratch + 16;
  const rowBytes = <usize>((lastSeen + 63) >> 6) * 256;
  const row = tile + B * 4 + WEIGHTS_BYTES * 2 + <usize>block * 256;
  const positions = <usize>min(lastSeen - s, 64);
  const factor = load<f32>(scratch, 8);
  if (queries === 2) {
    const factor1 = load<f32>(scratch, 12);
    scoreTwoInt8(row, rowBytes, tile, keysPtr, scalesPtr, B, positions, factor, factor1);
  } else {
    scoreOneInt8(row, tile, keysPtr, scalesPtr, B, positions, factor);
  }
  for (let j: usize = 0; j < queries; j++) {
    const x = row + j * rowBytes;
    const visible = seen + <i32>j;
    if (scoresPtr !== 0) observeScores(scoresPtr + j * S * 4, x, s, visible, <i32>S, slope);
    const greatest = biasBlock(x, s, visible, slope);
    store<f32>(scratch + j * 4, max<f32>(load<f32>(scratch + j * 4), greatest));
  }
}

/** Exponentials in the rows of scratch, their sums in the place of the maxima, y cleared.
 *  @param probsPtr of the first query `[S]` (overwritten), or 0
 *  @returns the first block that any query reads */
function normalize(
  scratch: usize,
  yPtr: usize,
  H: usize,
  D: usize,
  seen: i32,
  queries: usize,
  probsPtr: usize,
  S: usize,
): i32 {
  const B = (D + 3) & ~3;
  const blocks = (seen + <i32>queries + 62) >> 6;
  const rowBytes = <usize>blocks * 256;
  let start = blocks;
  for (let j: usize = 0; j < queries; j++) {
    const x = scratch + 16 + B * 4 + WEIGHTS_BYTES * 2 + j * rowBytes;
    const sum = <f32>expRow(x, x, <usize>blocks * 64, load<f32>(scratch + j * 4));
    if (probsPtr !== 0) observeProbs(probsPtr + j * S * 4, x, seen + <i32>j, <i32>S, sum);
    store<f32>(scratch + j * 4, sum);
    memory.fill(yPtr + j * H * D * 4, 0, D * 4);
    start = min(start, firstBlock(x, blocks));
  }
  return start;
}

/** Adds the weighted values of one block and head to y. */
function weigh(
  scratch: usize,
  yPtr: usize,
  valuesPtr: usize,
  scalesPtr: usize,
  H: usize,
  D: usize,
  block: i32,
  seen: i32,
  queries: usize,
): void {
  const lastSeen = seen + <i32>queries - 1;
  const rowBytes = <usize>((lastSeen + 63) >> 6) * 256;
  const weights = scratch + 16 + ((D + 3) & ~3) * 4;
  const row = weights + WEIGHTS_BYTES * 2 + <usize>block * 256;
  const quads = <usize>(min(lastSeen - (block << 6), 64) + 3) >> 2;
  const scale = writeWeights(weights, row, scalesPtr);
  if (queries === 2) {
    const scale1 = writeWeights(weights + WEIGHTS_BYTES, row + rowBytes, scalesPtr);
    if (scale === 0 && scale1 === 0) return;
    weighTwoInt8(yPtr, H * D * 4, weights, valuesPtr, D, quads, scale, scale1);
  } else if (scale !== 0) {
    weighOneInt8(yPtr, weights, valuesPtr, D, quads, scale);
  }
}
