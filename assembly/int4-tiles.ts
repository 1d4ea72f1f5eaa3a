/** Tiles of four tokens for matmul-int4.ts, which has the formula and the layouts.
 *
 *  Relaxed build: eight rows, that is, eight sums of a group in eight registers; the low nibbles of
 *  the group come first, then the high ones, so that their two vectors and the broadcast
 *  activations fit beside them. Baseline build: four rows at a time, since pairs take twice the
 *  registers, and sums that are spilled cost more than reading the block twice. */

import { float16Mask, float16Power, minusEight, nibbleMask } from './constants';
import {
  ACTIVATION_BYTES,
  ACTIVATION_GROUP,
  dotAdd,
  evenActivations,
  highEven,
  highOdd,
  lowEven,
  lowOdd,
  oddActivations,
} from './dot';
import { storeRows } from './row-blocks';
import { highFloats, lowFloats } from './scale-lanes';

/** Bytes of eight rows of a group without its scales. */
export const INT4_GROUP: usize = 128;

/** One row block times four tokens.
 *  @typeParam S storage of the scales: float16 per group as u16, or float32 per row
 *  @param yPtr the first row of the first token (overwritten) @param yStride bytes to the next one
 *  @param rows of the block that are stored */
@inline
export function fourTokens<S>(
  yPtr: usize,
  yStride: usize,
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  wPtr: usize,
  G: usize,
  rows: usize,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    eightRows<S>(yPtr, yStride, qPtr, scalesPtr, sumsPtr, wPtr, G, rows);
  } else {
    fourRows<S>(yPtr, yStride, qPtr, scalesPtr, sumsPtr, wPtr, G, rows, 0);
    if (rows <= 4) return;
    fourRows<S>(yPtr + 16, yStride, qPtr, scalesPtr, sumsPtr, wPtr, G, rows - 4, 16);
  }
}

/** y + float(sum) · (wScale · xScale), or · xScale where the row has one scale. */
@inline
export function addGroup<S>(y: v128, sum: v128, wScale: v128, xScale: v128): v128 {
  const scale = isFloat<S>() ? xScale : f32x4.mul(wScale, xScale);
  return f32x4.add(y, f32x4.mul(f32x4.convert_i32x4_s(sum), scale));
}

function eightRows<S>(
  yPtr: usize,
  yStride: usize,
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  wPtr: usize,
  G: usize,
  rows: usize,
): void {
  const mask = nibbleMask();
  const minus8 = minusEight();
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  const next1 = G * 4;
  const next2 = G * 8;
  const next3 = G * 12;
  let q1 = qPtr + G * ACTIVATION_GROUP;
  let q2 = q1 + G * ACTIVATION_GROUP;
  let q3 = q2 + G * ACTIVATION_GROUP;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0; // rows 0…3 of the four tokens
  let z0 = y0, z1 = y0, z2 = y0, z3 = y0; // rows 4…7
  let w = wPtr + (isFloat<S>() ? 32 : 0);
  const end = scalesPtr + G * 4;

  while (scalesPtr < end) {
    let a0 = i32x4.mul(v128.load32_splat(sumsPtr), minus8), b0 = a0;
    let a1 = i32x4.mul(v128.load32_splat(sumsPtr + next1), minus8), b1 = a1;
    let a2 = i32x4.mul(v128.load32_splat(sumsPtr + next2), minus8), b2 = a2;
    let a3 = i32x4.mul(v128.load32_splat(sumsPtr + next3), minus8), b3 = a3;
    let scaleLow = y0;
    let scaleHigh = y0;
    if (!isFloat<S>()) {
      const scales = v128.load(w);
      scaleLow = lowFloats(scales, scaleMask, scalePower);
      scaleHigh = highFloats(scales, scaleMask, scalePower);
      w += 16;
    }

    const groupEnd = w + INT4_GROUP;
    do {
      const n = v128.load(w);
      const m = v128.load(w, 16);
      let even = evenActivations(qPtr);
      let odd = oddActivations(qPtr, even);
      a0 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a0);
      b0 = dotAdd(even, odd, lowEven(m, mask), lowOdd(m, mask), b0);
      even = evenActivations(q1);
      odd = oddActivations(q1, even);
      a1 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a1);
      b1 = dotAdd(even, odd, lowEven(m, mask), lowOdd(m, mask), b1);
      even = evenActivations(q2);
      odd = oddActivations(q2, even);
      a2 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a2);
      b2 = dotAdd(even, odd, lowEven(m, mask), lowOdd(m, mask), b2);
      even = evenActivations(q3);
      odd = oddActivations(q3, even);
      a3 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a3);
      b3 = dotAdd(even, odd, lowEven(m, mask), lowOdd(m, mask), b3);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
      q1 += 4 * ACTIVATION_BYTES;
      q2 += 4 * ACTIVATION_BYTES;
      q3 += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);
    w -= INT4_GROUP;
    do {
      const n = v128.load(w);
      const m = v128.load(w, 16);
      let even = evenActivations(qPtr);
      let odd = oddActivations(qPtr, even);
      a0 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a0);
      b0 = dotAdd(even, odd, highEven(m, mask), highOdd(m), b0);
      even = evenActivations(q1);
      odd = oddActivations(q1, even);
      a1 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a1);
      b1 = dotAdd(even, odd, highEven(m, mask), highOdd(m), b1);
      even = evenActivations(q2);
      odd = oddActivations(q2, even);
      a2 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a2);
      b2 = dotAdd(even, odd, highEven(m, mask), highOdd(m), b2);
      even = evenActivations(q3);
      odd = oddActivations(q3, even);
      a3 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a3);
      b3 = dotAdd(even, odd, highEven(m, mask), highOdd(m), b3);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
      q1 += 4 * ACTIVATION_BYTES;
      q2 += 4 * ACTIVATION_BYTES;
      q3 += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);

    let xScale = v128.load32_splat(scalesPtr);
    y0 = addGroup<S>(y0, a0, scaleLow, xScale);
    z0 = addGroup<S>(z0, b0, scaleHigh, xScale);
    xScale = v128.load32_splat(scalesPtr + next1);
    y1 = addGroup<S>(y1, a1, scaleLow, xScale);
    z1 = addGroup<S>(z1, b1, scaleHigh, xScale);
    xScale = v128.load32_splat(scalesPtr + next2);
    y2 = addGroup<S>(y2, a2, scaleLow, xScale);
    z2 = addGroup<S>(z2, b2, scaleHigh, xScale);
    xScale = v128.load32_splat(scalesPtr + next3);
    y3 = addGroup<S>(y3, a3, scaleLow, xScale);
    z3 = addGroup<S>(z3, b3, scaleHigh, xScale);
    scalesPtr += 4;
    sumsPtr += 4;
  }

  storeToken<S>(yPtr, y0, z0, wPtr, rows);
  storeToken<S>(yPtr + yStride, y1, z1, wPtr, rows);
  storeToken<S>(yPtr + yStride * 2, y2, z2, wPtr, rows);
  storeToken<S>(yPtr + yStride * 3, y3, z3, wPtr, rows);
}

/** @param offset 0 for rows 0…3, 16 for rows 4…7: in a group that of their bytes */
function fourRows<S>(
  yPtr: usize,
  yStride: usize,
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  wPtr: usize,
  G: usize,
  rows: usize,
  offset: usize,
): void {
  const mask = nibbleMask();
  const minus8 = minusEight();
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  const next1 = G * 4;
  const next2 = G * 8;
  const next3 = G * 12;
  let q1 = qPtr + G * ACTIVATION_GROUP;
  let q2 = q1 + G * ACTIVATION_GROUP;
  let q3 = q2 + G * ACTIVATION_GROUP;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0; // rows 0…3 of the four tokens
  let w = wPtr + (isFloat<S>() ? 32 : 0) + offset;
  const end = scalesPtr + G * 4;

  while (scalesPtr < end) {
    let a0 = i32x4.mul(v128.load32_splat(sumsPtr), minus8);
    let a1 = i32x4.mul(v128.load32_splat(sumsPtr + next1), minus8);
    let a2 = i32x4.mul(v128.load32_splat(sumsPtr + next2), minus8);
    let a3 = i32x4.mul(v128.load32_splat(sumsPtr + next3), minus8);
    let scale = y0;
    if (!isFloat<S>()) {
      const scales = v128.load64_zero(w - offset / 2);
      scale = lowFloats(scales, scaleMask, scalePower);
      w += 16;
    }
    const groupEnd = w + INT4_GROUP;
    do {
      const n = v128.load(w);
      let even = evenActivations(qPtr);
      let odd = oddActivations(qPtr, even);
      a0 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a0);
      even = evenActivations(q1);
      odd = oddActivations(q1, even);
      a1 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a1);
      even = evenActivations(q2);
      odd = oddActivations(q2, even);
      a2 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a2);
      even = evenActivations(q3);
      odd = oddActivations(q3, even);
      a3 = dotAdd(even, odd, lowEven(n, mask), lowOdd(n, mask), a3);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
      q1 += 4 * ACTIVATION_BYTES;
      q2 += 4 * ACTIVATION_BYTES;
      q3 += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);
    w -= INT4_GROUP;
    do {
      const n = v128.load(w);
      let even = evenActivations(qPtr);
      let odd = oddActivations(qPtr, even);
      a0 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a0);
      even = evenActivations(q1);
      odd = oddActivations(q1, even);
      a1 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a1);
      even = evenActivations(q2);
      odd = oddActivations(q2, even);
      a2 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a2);
      even = evenActivations(q3);
      odd = oddActivations(q3, even);
      a3 = dotAdd(even, odd, highEven(n, mask), highOdd(n), a3);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
      q1 += 4 * ACTIVATION_BYTES;
      q2 += 4 * ACTIVATION_BYTES;
      q3 += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);
    let xScale = v128.load32_splat(scalesPtr);
    y0 = addGroup<S>(y0, a0, scale, xScale);
    xScale = v128.load32_splat(scalesPtr + next1);
    y1 = addGroup<S>(y1, a1, scale, xScale);
    xScale = v128.load32_splat(scalesPtr + next2);
    y2 = addGroup<S>(y2, a2, scale, xScale);
    xScale = v128.load32_splat(scalesPtr + next3);
    y3 = addGroup<S>(y3, a3, scale, xScale);
    scalesPtr += 4;
    sumsPtr += 4;
  }
  wPtr += offset;
  const count = min<usize>(rows, 4);
  storeToken<S>(yPtr, y0, y0, wPtr, count);
  storeToken<S>(yPtr + yStride, y1, y1, wPtr, count);
  storeToken<S>(yPtr + yStride * 2, y2, y2, wPtr, count);
  storeToken<S>(yPtr + yStride * 3, y3, y3, wPtr, count);
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
