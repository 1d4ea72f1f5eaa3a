/** Causal attention over a float32 cache, head by head:
 *
 *      score[t, s] = q[t] · k[s] · scale + slope · s     for s ≤ position + t
 *      y[t]        = Σ_s e^(score[t, s] − max) · v[s] / Σ_s e^(score[t, s] − max)
 *
 *  Blocks of 64 positions of one layer, found through a table of their pointers:
 *
 *      | keys [H][4][D][16 positions] | values [H][D/32][64 positions][32] |
 *
 *  Scratch of a head: four maxima, four sums of four lanes, the queries of a tile side by side, the
 *  rows of scores:
 *
 *      | [4] f32 | [4][4] f64 | [D][4] f32 | [4][64 · blocks] f32 |
 *
 *  Four queries share what is read of the cache, those that are left over go one by one; the steps
 *  of a query are the same either way, so its bits depend on nothing but its own row and what it
 *  sees: scores-f32.ts has the order of q · k, softmax-row.ts that of Σ e^…, values-f32.ts that of
 *  Σ p · v, attention-row.ts the form of the bias. Exponentials are made when the values of their
 *  block are read, so that the memory has work meanwhile. Values of a block whose exponentials are
 *  all 0 (e^−104, steep slopes and far positions) are not read.
 *
 *  Error of y, for |scores| up to a few tens: 2⁻²⁴ times the sum of |p · v| and a few units more
 *  (√128 for random signs), and what the rounding of a score, D · 2⁻²⁴ · Σ|q · k| at worst, makes
 *  of it. */

import { biasBlock, observeProbs, observeScores } from './attention-row';
import { scoreFourF32, scoreOneF32 } from './scores-f32';
import { divideRow, expBlock, sumOfLanes } from './softmax-row';
import { weighFourF32, weighOneF32 } from './values-f32';

const MAXIMA_BYTES: usize = 16;
const SUMS_BYTES: usize = 128;

/** Where the tile begins in the scratch of a head. */
const TILE: usize = MAXIMA_BYTES + SUMS_BYTES;

/** Heads `headStart` to `headEnd`.
 *  @param yPtr `[T, H, D]` (overwritten in those heads) @param qPtr `[T, H, D]`
 *  @param tablePtr pointers of the blocks, oldest first @param slopesPtr `[H]`, or 0 for no bias
 *  @param scoresPtr,probsPtr `[H, T, S]` (overwritten in those heads), or 0
 *  @param scratchPtr (overwritten) `scratchStride` bytes for each head of the layer */
export function attentionF32(
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
  // One token reads every block once, its heads in the order in which they lie. A prompt reads the
  // blocks of one head many times over, which then stay in the cache.
  const heads: usize = count < 4 ? headEnd - headStart : 1;
  for (let first = headStart; first < headEnd; first += heads) {
    for (let t: usize = 0; t < count; ) {
      const queries: usize = count - t >= 4 ? 4 : 1;
      const blocks = <i32>((position + t + queries + 63) >> 6);
      const seen = <i32>(position + t + 1);
      const q = qPtr + t * H * D * 4;
      const y = yPtr + t * H * D * 4;
      for (let h = first; h < first + heads; h++) {
        const scratch = scratchPtr + h * scratchStride;
        prepare(scratch, y + h * D * 4, q + h * D * 4, H, D, queries);
      }
      for (let block: i32 = 0; block < blocks; block++) {
        const keys = <usize>load<u32>(tablePtr + <usize>block * 4);
        for (let h = first; h < first + heads; h++) {
          const slope: f32 = slopesPtr === 0 ? 0 : load<f32>(slopesPtr + h * 4);
          const observed: usize = scoresPtr === 0 ? 0 : scoresPtr + (h * count + t) * S * 4;
          const scratch = scratchPtr + h * scratchStride;
          const k = keys + h * D * 256;
          score(scratch, q + h * D * 4, k, D, block, seen, queries, <f32>scale, slope, observed, S);
        }
      }
      for (let block: i32 = 0; block < blocks; block++) {
        const values = <usize>load<u32>(tablePtr + <usize>block * 4) + H * D * 256;
        for (let h = first; h < first + heads; h++) {
          const scratch = scratchPtr + h * scratchStride;
          weigh(scratch, y + h * D * 4, values + h * D * 256, H, D, block, seen, queries);
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

/** Clears maxima, sums and y, and lays the queries of a tile side by side. */
function prepare(
  scratch: usize,
  yPtr: usize,
  qPtr: usize,
  H: usize,
  D: usize,
  queries: usize,
): void {
  const stride = H * D * 4;
  memory.fill(scratch + MAXIMA_BYTES, 0, SUMS_BYTES);
  for (let j: usize = 0; j < queries; j++) {
    store<f32>(scratch + j * 4, -Infinity);
    memory.fill(yPtr + j * stride, 0, D * 4);
  }
  if (queries !== 4) return;
  const tilePtr = scratch + TILE;
  for (let tile = tilePtr, end = tilePtr + D * 16; tile < end; tile += 16) {
    store<f32>(tile, load<f32>(qPtr));
    store<f32>(tile, load<f32>(qPtr + stride), 4);
    store<f32>(tile, load<f32>(qPtr + stride * 2), 8);
    store<f32>(tile, load<f32>(qPtr + stride * 3), 12);
    qPtr += 4;
  }
}

/** Biased scores of one block and head into the rows of scratch, and the maxima.
 *  @param seen positions that the first query sees; each further one sees one more
 *  @param scoresPtr of the first query `[S]` (overwritten in this block), or 0 */
function score(
  scratch: usize,
  qPtr: usize,
  keysPtr: usize,
  D: usize,
  block: i32,
  seen: i32,
  queries: usize,
  scale: f32,
  slope: f32,
  scoresPtr: usize,
  S: usize,
): void {
  const s = block << 6;
  const lastSeen = seen + <i32>queries - 1;
  const rowBytes = <usize>((lastSeen + 63) >> 6) * 256;
  const row = scratch + TILE + D * 16 + <usize>block * 256;
  const positions = <usize>min(lastSeen - s, 64);
  if (queries === 4) {
    scoreFourF32(row, rowBytes, scratch + TILE, keysPtr, D, positions, scale);
  } else {
    scoreOneF32(row, qPtr, keysPtr, D, positions, scale);
  }
  for (let j: usize = 0; j < queries; j++) {
    const x = row + j * rowBytes;
    const visible = seen + <i32>j;
    if (scoresPtr !== 0) observeScores(scoresPtr + j * S * 4, x, s, visible, <i32>S, slope);
    const greatest = biasBlock(x, s, visible, slope);
    store<f32>(scratch + j * 4, max<f32>(load<f32>(scratch + j * 4), greatest));
  }
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
  const rowBytes = <usize>((seen + <i32>queries + 62) >> 6) * 256;
  const row = scratch + TILE + D * 16 + <usize>block * 256;
  const visible = seen - (block << 6);
  const n0 = exponentials(scratch, 0, row, visible);
  if (queries === 4) {
    const n1 = exponentials(scratch, 1, row + rowBytes, visible + 1);
    const n2 = exponentials(scratch, 2, row + rowBytes * 2, visible + 2);
    const n3 = exponentials(scratch, 3, row + rowBytes * 3, visible + 3);
    if (max(max(n0, n1), max(n2, n3)) === 0) return;
    const n = min(min(n0, n1), min(n2, n3));
    weighFourF32(yPtr, H * D * 4, row, rowBytes, valuesPtr, D, n, n0, n1, n2, n3);
  } else if (n0 > 0) {
    weighOneF32(yPtr, row, valuesPtr, D, n0);
  }
}

/** Exponentials of one block and query, and their sum.
 *  @returns how many positions of the block are to be summed */
function exponentials(scratch: usize, j: usize, row: usize, visible: i32): usize {
  if (visible <= 0) return 0;
  const sums = scratch + MAXIMA_BYTES + j * 32;
  const isSomething = expBlock(row, load<f32>(scratch + j * 4), sums);
  return isSomething ? <usize>min(visible, 64) : 0;
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
    const sum = sumOfLanes(scratch + MAXIMA_BYTES + j * 32);
    const y = yPtr + j * H * D * 4;
    divideRow(y, y, D, sum);
    if (probsPtr === 0) continue;
    const x = scratch + TILE + D * 16 + j * rowBytes;
    observeProbs(probsPtr + j * S * 4, x, 256, 0, seen + <i32>j, <i32>S, sum);
  }
}
