/** Many tokens for matmul-int4.ts, which has the formula and the layout of the weight.
 *
 *  A group of eight rows is unpacked once, then meets up to 64 tokens, four at a time. Scratch of a
 *  range of rows:
 *
 *      | weights: steps of 32 bytes, rows 0…3 and rows 4…7 | sums y of 64 tokens: [64][8] f32 |
 *
 *  A step is what four bytes of activations are multiplied by (dot.ts): four elements as bytes, or,
 *  in the baseline build, two as 16 bits. Its two vectors and the broadcast activations of a token
 *  fit the registers beside the eight sums of four tokens. At most STEPS follow each other without
 *  a branch: compilers would sum up one register after the other, and spill the rest. */

import { float16Mask, float16Power, nibbleMask } from './constants';
import { ACTIVATION_BYTES, ACTIVATION_GROUP, highEven, highOdd, lowEven, lowOdd } from './dot';
import { storeRows } from './row-blocks';
import { joinHigh, joinLow, scaleHalves } from './scale-lanes';

/** Bytes of eight rows of a group without its scales. */
export const INT4_GROUP: usize = 128;

/** Tokens that meet an unpacked group. */
const TOKENS: usize = 64;

/** Steps of a turn of the inner loop. */
const STEPS: usize = ASC_FEATURE_RELAXED_SIMD ? 2 : 1;

const WEIGHT_BYTES: usize = 256 * ACTIVATION_BYTES;

/** Scratch of a range of rows. */
export const SCRATCH_BYTES: usize = 512 + TOKENS * 32;

/** One row block times a multiple of four tokens, 64 at most.
 *  @typeParam S storage of the scales: float16 per group as u16, or float32 per row
 *  @param yPtr the first token's rows (overwritten) @param yStride bytes to the next token's
 *  @param scratchPtr (overwritten) @param T tokens of the whole pass
 *  @returns how many tokens were multiplied */
export function manyTokens<S>(
  yPtr: usize,
  yStride: usize,
  qPtr: usize,
  scalesPtr: usize,
  offsetsPtr: usize,
  wPtr: usize,
  scratchPtr: usize,
  count: usize,
  T: usize,
  G: usize,
): usize {
  count = min<usize>(count & ~3, TOKENS);
  const mask = nibbleMask();
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  const sums = scratchPtr + WEIGHT_BYTES;
  const sumsEnd = sums + count * 32;
  memory.fill(sums, 0, count * 32);
  let scaleLow = f32x4.splat(1), scaleHigh = scaleLow;
  let w = wPtr + (isFloat<S>() ? 32 : 0);
  for (; G > 0; G--) {
    if (!isFloat<S>()) {
      const scales = v128.load(w);
      const halves = scaleHalves(scales, scaleMask);
      scaleLow = joinLow(scales, halves, scalePower);
      scaleHigh = joinHigh(scales, halves, scalePower);
      w += 16;
    }
    unpack(scratchPtr, w, mask);
    addGroup<S>(sums, sumsEnd, qPtr, scalesPtr, offsetsPtr, scratchPtr, scaleLow, scaleHigh);
    w += INT4_GROUP;
    qPtr += T * ACTIVATION_GROUP;
    scalesPtr += T * 4;
    offsetsPtr += T * 4;
  }
  for (let y = sums; y < sumsEnd; y += 32) {
    storeToken<S>(yPtr, v128.load(y), v128.load(y, 16), wPtr, 8);
    yPtr += yStride;
  }
  return count;
}

/** The steps of a group: low nibbles are elements 0…15, high ones 16…31. */
@inline
function unpack(stepsPtr: usize, wPtr: usize, mask: v128): void {
  const half = WEIGHT_BYTES / 2;
  for (const end = wPtr + INT4_GROUP; wPtr < end; wPtr += 32) {
    const n = v128.load(wPtr);
    const m = v128.load(wPtr, 16);
    v128.store(stepsPtr, lowEven(n, mask));
    v128.store(stepsPtr, lowEven(m, mask), 16);
    v128.store(stepsPtr + half, highEven(n, mask));
    v128.store(stepsPtr + half, highEven(m, mask), 16);
    if (!ASC_FEATURE_RELAXED_SIMD) {
      v128.store(stepsPtr, lowOdd(n, mask), 32);
      v128.store(stepsPtr, lowOdd(m, mask), 48);
      v128.store(stepsPtr + half, highOdd(n), 32);
      v128.store(stepsPtr + half, highOdd(m), 48);
    }
    stepsPtr += 32 * ACTIVATION_BYTES;
  }
}

/** Adds one group to the sums of all tokens, four at a time. */
function addGroup<S>(
  sums: usize,
  sumsEnd: usize,
  q: usize,
  scales: usize,
  offsets: usize,
  stepsPtr: usize,
  scaleLow: v128,
  scaleHigh: v128,
): void {
  const stepsEnd = stepsPtr + WEIGHT_BYTES;
  for (; sums < sumsEnd; sums += 128) {
    let a0 = v128.load32_splat(offsets), b0 = a0; // rows 0…3 and 4…7 of the first token
    let a1 = v128.load32_splat(offsets, 4), b1 = a1;
    let a2 = v128.load32_splat(offsets, 8), b2 = a2;
    let a3 = v128.load32_splat(offsets, 12), b3 = a3;
    let w = stepsPtr;
    do {
      let n = v128.load(w);
      let m = v128.load(w, 16);
      let x = v128.load32_splat(q);
      a0 = dotStep(x, n, a0), b0 = dotStep(x, m, b0);
      x = v128.load32_splat(q, ACTIVATION_GROUP);
      a1 = dotStep(x, n, a1), b1 = dotStep(x, m, b1);
      x = v128.load32_splat(q, ACTIVATION_GROUP * 2);
      a2 = dotStep(x, n, a2), b2 = dotStep(x, m, b2);
      x = v128.load32_splat(q, ACTIVATION_GROUP * 3);
      a3 = dotStep(x, n, a3), b3 = dotStep(x, m, b3);
      if (STEPS > 1) {
        n = v128.load(w, 32);
        m = v128.load(w, 48);
        x = v128.load32_splat(q, 4);
        a0 = dotStep(x, n, a0), b0 = dotStep(x, m, b0);
        x = v128.load32_splat(q, ACTIVATION_GROUP + 4);
        a1 = dotStep(x, n, a1), b1 = dotStep(x, m, b1);
        x = v128.load32_splat(q, ACTIVATION_GROUP * 2 + 4);
        a2 = dotStep(x, n, a2), b2 = dotStep(x, m, b2);
        x = v128.load32_splat(q, ACTIVATION_GROUP * 3 + 4);
        a3 = dotStep(x, n, a3), b3 = dotStep(x, m, b3);
      }
      w += 32 * STEPS;
      q += 4 * STEPS;
    } while (w < stepsEnd);
    q += ACTIVATION_GROUP * 3;

    let xScale = v128.load32_splat(scales);
    addSum<S>(sums, a0, scaleLow, xScale);
    addSum<S>(sums + 16, b0, scaleHigh, xScale);
    xScale = v128.load32_splat(scales, 4);
    addSum<S>(sums + 32, a1, scaleLow, xScale);
    addSum<S>(sums + 48, b1, scaleHigh, xScale);
    xScale = v128.load32_splat(scales, 8);
    addSum<S>(sums + 64, a2, scaleLow, xScale);
    addSum<S>(sums + 80, b2, scaleHigh, xScale);
    xScale = v128.load32_splat(scales, 12);
    addSum<S>(sums + 96, a3, scaleLow, xScale);
    addSum<S>(sums + 112, b3, scaleHigh, xScale);
    scales += 16;
    offsets += 16;
  }
}

/** c + x·w of one step. @param w elements of 0…15 */
@inline
function dotStep(x: v128, w: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, c)
    : i32x4.add(c, i32x4.dot_i16x8_s(x, w));
}

/** y + float(sum) · (wScale · xScale), or · xScale where the row has one scale. */
@inline
function addSum<S>(yPtr: usize, sum: v128, wScale: v128, xScale: v128): void {
  const scale = isFloat<S>() ? xScale : f32x4.mul(wScale, xScale);
  const product = f32x4.mul(f32x4.convert_i32x4_s(sum), scale);
  v128.store(yPtr, f32x4.add(v128.load(yPtr), product));
}

/** Stores the rows of one token, times the scale of the row where it has one. */
@inline
export function storeToken<S>(yPtr: usize, low: v128, high: v128, wPtr: usize, rows: usize): void {
  if (isFloat<S>()) {
    low = f32x4.mul(low, v128.load(wPtr));
    high = f32x4.mul(high, v128.load(wPtr, 16));
  }
  storeRows(yPtr, low, high, rows);
}
