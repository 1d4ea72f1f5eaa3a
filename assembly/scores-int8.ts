/** Scores of int8 keys: x[s] = float32(Σᵢ q[i] · k[s, i]) · (factor · scale[s]) for the positions
 *  of one block; the sum is an integer, exact for D < 2¹⁷.
 *
 *      keys of one head   | 4 groups of: [B/4][16 positions][4 channels], 16 float32 scales |
 *
 *  B is D rounded up to a multiple of 4. One 16-byte load holds four channels of four positions,
 *  which are the lanes of the sums. Memory is read in the order in which it lies.
 *
 *  - Relaxed build: the dot product of four bytes takes its second operand from 0…127, so the query
 *    is split in max(q, 0) and max(−q, 0), with a sum for each.
 *  - Baseline build: keys and query widened to 16 bits, a lane for every two channels; the two
 *    lanes of a position are added at the end.
 *
 *  A tile holds 1 or 2 queries, for every four channels 8 bytes of each:
 *
 *      relaxed    | max(q, 0) of each: 4 bytes | max(−q, 0) of each: 4 bytes | next four channels |
 *      baseline   | q of each: 4 × 16 bits | next four channels | */

import { greatestLane, quantizeLanes } from './int8-row';

/** The greatest key scale of a block; NaN when there is one. */
export function greatestScale(keysPtr: usize, B: usize): f32 {
  let greatest = i32x4.splat(0);
  for (let group = 0; group < 4; group++) {
    keysPtr += B * 16;
    for (const end = keysPtr + 64; keysPtr < end; keysPtr += 16) {
      greatest = i32x4.max_s(greatest, f32x4.abs(v128.load(keysPtr)));
    }
  }
  return greatestLane(greatest);
}

/** Quantizes one query into its places of a tile.
 *  @param tilePtr (overwritten) @param index of the query among `queries` @param xPtr `[D]`
 *  @returns the sum of the magnitudes */
export function writeQuery(
  tilePtr: usize,
  index: usize,
  queries: usize,
  xPtr: usize,
  D: usize,
  inverse: f32,
): i32 {
  let magnitudes = i32x4.splat(0);
  for (let i: usize = 0; i < D; i += 4) {
    const q = quantizeLanes(xPtr + i * 4, D - i, inverse);
    const pairs = i16x8.extadd_pairwise_i8x16_s(i8x16.abs(q));
    magnitudes = i32x4.add(magnitudes, i32x4.extadd_pairwise_i16x8_s(pairs));
    const tile = tilePtr + i * 2 * queries;
    if (ASC_FEATURE_RELAXED_SIMD) {
      const zero = i8x16.splat(0);
      v128.store_lane<u32>(tile + index * 4, i8x16.max_s(q, zero), 0);
      const negative = i8x16.max_s(i8x16.neg(q), zero);
      v128.store_lane<u32>(tile + (queries + index) * 4, negative, 0);
    } else {
      v128.store_lane<u64>(tile + index * 8, i16x8.extend_low_i8x16_s(q), 0);
    }
  }
  return i32x4.extract_lane(magnitudes, 0);
}

/** One query; scores are written in groups of 16 positions.
 *  @param xPtr `[64]` (overwritten) @param keysPtr `[4]` groups */
export function scoreOneInt8(
  xPtr: usize,
  tilePtr: usize,
  keysPtr: usize,
  B: usize,
  positions: usize,
  factor: f32,
): void {
  const factors = f32x4.splat(factor);
  const tileEnd = tilePtr + B * 2;
  const xEnd = xPtr + positions * 4;
  while (xPtr < xEnd) {
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (let tile = tilePtr; tile < tileEnd; tile += 8) {
      const a = v128.load(keysPtr);
      const b = v128.load(keysPtr, 16);
      const c = v128.load(keysPtr, 32);
      const d = v128.load(keysPtr, 48);
      keysPtr += 64;
      if (ASC_FEATURE_RELAXED_SIMD) {
        const q0 = v128.load32_splat(tile);
        const q1 = v128.load32_splat(tile, 4);
        a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, q0, a0);
        a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, q1, a1);
        b0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, q0, b0);
        b1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, q1, b1);
        c0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c, q0, c0);
        c1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c, q1, c1);
        d0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(d, q0, d0);
        d1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(d, q1, d1);
      } else {
        const q = v128.load64_splat(tile);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(a), q));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(a), q));
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(b), q));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(b), q));
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(c), q));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(c), q));
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(d), q));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(d), q));
      }
    }
    storeScores(xPtr, keysPtr, factors, a0, a1);
    storeScores(xPtr + 16, keysPtr + 16, factors, b0, b1);
    storeScores(xPtr + 32, keysPtr + 32, factors, c0, c1);
    storeScores(xPtr + 48, keysPtr + 48, factors, d0, d1);
    xPtr += 64;
    keysPtr += 64;
  }
}

/** Two queries; scores are written in groups of 8 positions.
 *  @param xPtr `[64]` of the first query (overwritten), the second `xStride` bytes on */
export function scoreTwoInt8(
  xPtr: usize,
  xStride: usize,
  tilePtr: usize,
  keysPtr: usize,
  B: usize,
  positions: usize,
  factor0: f32,
  factor1: f32,
): void {
  const factors0 = f32x4.splat(factor0);
  const factors1 = f32x4.splat(factor1);
  const tileEnd = tilePtr + B * 4;
  const xEnd = xPtr + positions * 4;
  let half: usize = 0;
  while (xPtr < xEnd) {
    let key = keysPtr + half;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (let tile = tilePtr; tile < tileEnd; tile += 16) {
      const x = v128.load(key);
      const y = v128.load(key, 16);
      key += 64;
      if (ASC_FEATURE_RELAXED_SIMD) {
        const p0 = v128.load32_splat(tile);
        a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, p0, a0);
        b0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, p0, b0);
        const p1 = v128.load32_splat(tile, 4);
        c0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, p1, c0);
        d0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, p1, d0);
        const n0 = v128.load32_splat(tile, 8);
        a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, n0, a1);
        b1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, n0, b1);
        const n1 = v128.load32_splat(tile, 12);
        c1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, n1, c1);
        d1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, n1, d1);
      } else {
        const x0 = i16x8.extend_low_i8x16_s(x);
        const x1 = i16x8.extend_high_i8x16_s(x);
        const y0 = i16x8.extend_low_i8x16_s(y);
        const y1 = i16x8.extend_high_i8x16_s(y);
        const q0 = v128.load64_splat(tile);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x0, q0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(x1, q0));
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(y0, q0));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(y1, q0));
        const q1 = v128.load64_splat(tile, 8);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x0, q1));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x1, q1));
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(y0, q1));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(y1, q1));
      }
    }
    storeScores(xPtr, key, factors0, a0, a1);
    storeScores(xPtr + 16, key + 16, factors0, b0, b1);
    storeScores(xPtr + xStride, key, factors1, c0, c1);
    storeScores(xPtr + xStride + 16, key + 16, factors1, d0, d1);
    xPtr += 32;
    // The other half of the lines, then the next group.
    if (half > 0) keysPtr += B * 16 + 64;
    half ^= 32;
  }
}

/** The sums of a quad from the two parts that its build keeps. */
@inline
function storeScores(xPtr: usize, scalesPtr: usize, factors: v128, a: v128, b: v128): void {
  const dots = ASC_FEATURE_RELAXED_SIMD
    ? i32x4.sub(a, b)
    : i32x4.add(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7));
  const scales = f32x4.mul(factors, v128.load(scalesPtr));
  v128.store(xPtr, f32x4.mul(f32x4.convert_i32x4_s(dots), scales));
}
