/** Causal attention over a float32 cache, head by head:
 *
 *      score[t, s] = q[t] · k[s] · scale + slope · s     for s ≤ position + t
 *      y[t]        = Σ_s e^(score[t, s] − max) · v[s] / Σ_s e^(score[t, s] − max)
 *
 *  Blocks of 64 positions of one layer, found through a table of their pointers:
 *
 *      | keys [H][4][D][16 positions] | values [H][D/32][64 positions][32] |
 *
 *  Scratch of a head: the four maxima, the queries of a tile side by side, their rows:
 *
 *      | 16 bytes | [D][4] | [4][64 · blocks] |     see attentionScratchBytes
 *
 *  Four queries share what is read of the cache, those that are left over go one by one; the steps
 *  of a query are the same either way, so its bits depend on nothing but its own row and what it
 *  sees: scores-f32.ts has the order of q · k, softmax-row.ts that of Σ e^…, values-f32.ts that of
 *  Σ p · v, attention-row.ts the form of the bias. A leading block whose exponentials are all 0
 *  (e^−104, steep slopes and far positions) is not read.
 *
 *  Error of y, for |scores| up to a few tens: 2⁻²⁴ times the sum of |p · v| and a few units more
 *  (√128 for random signs), and what the rounding of a score, D · 2⁻²⁴ · Σ|q · k| at worst, makes
 *  of it. */

import { biasBlock, firstBlock, observeProbs, observeScores } from './attention-row';
import { scoreFourF32, scoreOneF32 } from './scores-f32';
import { divideRow, expRow } from './softmax-row';
import { weighFourF32, weighOneF32 } from './values-f32';

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
        prepare(scratchPtr + h * scratchStride, q + h * D * 4, H, D, queries);
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
      let start = blocks;
      for (let h = first; h < first + heads; h++) {
        const observed: usize = probsPtr === 0 ? 0 : probsPtr + (h * count + t) * S * 4;
        const scratch = scratchPtr + h * scratchStride;
        start = min(start, normalize(scratch, y + h * D * 4, H, D, seen, queries, observed, S));
      }
      for (let block = start; block < blocks; block++) {
        const values = <usize>load<u32>(tablePtr + <usize>block * 4) + H * D * 256;
        for (let h = first; h < first + heads; h++) {
          const scratch = scratchPtr + h * scratchStride;
          weigh(scratch, y + h * D * 4, values + h * D * 256, H, D, block, seen, queries);
        }
      }
      for (let h = first; h < first + heads; h++) {
        divide(scratchPtr + h * scratchStride, y + h * D * 4, H, D, queries);
      }
      t += queries;
    }
  }
}

/** Clears the maxima and lays the queries of a tile side by side. */
function prepare(scratch: usize, qPtr: usize, H: usize, D: usize, queries: usize): void {
  v128.store(scratch, f32x4.splat(-Infinity));
  if (queries !== 4) return;
  const stride = H * D * 4;
  for (let tile = scratch + 16, end = tile + D * 16; tile < end; tile += 16) {
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
  const row = scratch + 16 + D * 16 + <usize>block * 256;
  const positions = <usize>min(lastSeen - s, 64);
  if (queries === 4) {
    scoreFourF32(row, rowBytes, scratch + 16, keysPtr, D, positions, scale);
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

/** Exponentials in the rows of scratch, their sums in the place of the maxima, y cleared, and the
 *  first block that each query reads in the place of the tile.
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
  const blocks = (seen + <i32>queries + 62) >> 6;
  const rowBytes = <usize>blocks * 256;
  let start = blocks;
  for (let j: usize = 0; j < queries; j++) {
    const x = scratch + 16 + D * 16 + j * rowBytes;
    const sum = <f32>expRow(x, x, <usize>blocks * 64, load<f32>(scratch + j * 4));
    if (probsPtr !== 0) observeProbs(probsPtr + j * S * 4, x, seen + <i32>j, <i32>S, sum);
    store<f32>(scratch + j * 4, sum);
    memory.fill(yPtr + j * H * D * 4, 0, D * 4);
    const first = firstBlock(x, blocks);
    store<i32>(scratch + 16 + j * 4, first);
    start = min(start, first);
  }
  return start;
}

/** Adds the weighted values of one block and head to y. */
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
  const blocks = (seen + <i32>queries + 62) >> 6;
  const rowBytes = <usize>blocks * 256;
  const row = scratch + 16 + D * 16 + <usize>block * 256;
  const n0 = lengthOf(scratch, 0, block, seen);
  if (queries === 4) {
    const n1 = lengthOf(scratch, 1, block, seen + 1);
    const n2 = lengthOf(scratch, 2, block, seen + 2);
    const n3 = lengthOf(scratch, 3, block, seen + 3);
    const n = min(min(n0, n1), min(n2, n3));
    weighFourF32(yPtr, H * D * 4, row, rowBytes, valuesPtr, D, n, n0, n1, n2, n3);
  } else if (n0 > 0) {
    weighOneF32(yPtr, row, valuesPtr, D, n0);
  }
}

/** How many positions of a block query j sums: none before its first block. */
function lengthOf(scratch: usize, j: usize, block: i32, visible: i32): usize {
  if (block < load<i32>(scratch + 16 + j * 4)) return 0;
  return <usize>max(0, min(visible - (block << 6), 64));
}

function divide(scratch: usize, yPtr: usize, H: usize, D: usize, queries: usize): void {
  for (let j: usize = 0; j < queries; j++) {
    const y = yPtr + j * H * D * 4;
    divideRow(y, y, D, load<f32>(scratch + j * 4));
  }
}
