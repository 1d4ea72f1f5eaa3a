/** Quantized activations times a transposed int4 weight, groups of 32 elements:
 *
 *      y[t, r] = Σ_g float(Σᵢ q[t, 32g + i] · w[r, 32g + i]) · (wScale[r, g] · xScale[t, g])
 *
 *  The inner sum is an exact int32. Each product and each step of the outer sum, in ascending g,
 *  rounds to float32. With a scale per row instead (`…Channel`) the products take xScale alone, and
 *  the whole sum is multiplied by the row's scale at the end. The order is the same for every T.
 *
 *  The weight lies in blocks of eight rows; a group is one piece of a block, G groups make one:
 *
 *      wPtr  | 8 float16 scales | j = 0: r0 r1 r2 … r7 | j = 1 | j = 2 | j = 3 |   144 bytes
 *      Channel: 8 float32 scales once before the groups of the block               128 bytes
 *
 *  At j the four bytes of a row hold elements 4j + i in the low and 16 + 4j + i in the high nibble,
 *  each as n = w + 8. Since Σ q·w = Σ q·n − 8 · Σ q, the sum starts at −8 · Σ q.
 *
 *  Lanes are rows, in two vectors (rows 0…3 and 4…7). Four activations, broadcast to all lanes,
 *  meet the four nibbles of each row in one instruction. Tiles are 8 rows × 4 tokens, then 8 × 1
 *  for the remaining tokens; missing rows of the last block are computed and not stored. Elements
 *  past `inFeatures` are zeros in q. Error: none, the mirror gives the same bits. */

import { float16Mask, float16Power, minusEight, nibbleMask } from './constants';
import { dotAdd, even, highEven, highOdd, lowEven, lowOdd, odd } from './dot';
import { highFloats, lowFloats } from './scale-lanes';
import { ROWS, storeRows } from './row-blocks';

/** Bytes of eight rows of a group without its scales. */
const GROUP: usize = 128;

/** @param yPtr float32 `[T, outFeatures]` (overwritten in the rows) @param qPtr int8 `[T, 32G]`
 *  @param scalesPtr float32 `[T, G]` @param sumsPtr Σ q, int32 `[T, G]` @param wPtr row block 0 */
export function matmulInt4(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const G = (inFeatures + 31) / 32;
  const blockBytes: usize = (16 + GROUP) * G;
  const yEnd = yPtr + rowEnd * 4;
  yPtr += rowStart * 4;
  wPtr += (rowStart / ROWS) * blockBytes;
  for (; yPtr < yEnd; yPtr += ROWS * 4) {
    tokens<u16>(yPtr, qPtr, scalesPtr, sumsPtr, wPtr, T, outFeatures, G, (yEnd - yPtr) / 4);
    wPtr += blockBytes;
  }
}

/** As `matmulInt4`, with one float32 scale per row of the weight. */
export function matmulInt4Channel(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const G = (inFeatures + 31) / 32;
  const blockBytes: usize = 32 + GROUP * G;
  const yEnd = yPtr + rowEnd * 4;
  yPtr += rowStart * 4;
  wPtr += (rowStart / ROWS) * blockBytes;
  for (; yPtr < yEnd; yPtr += ROWS * 4) {
    tokens<f32>(yPtr, qPtr, scalesPtr, sumsPtr, wPtr, T, outFeatures, G, (yEnd - yPtr) / 4);
    wPtr += blockBytes;
  }
}

/** One row block times all tokens. @typeParam S storage of its scales: float16 per group as u16, or
 *  float32 per row */
@inline
function tokens<S>(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  G: usize,
  rows: usize,
): void {
  const yStride = outFeatures * 4;
  for (; T >= 4; T -= 4) {
    fourTokens<S>(yPtr, yStride, qPtr, scalesPtr, sumsPtr, wPtr, G, rows);
    yPtr += yStride * 4;
    qPtr += G * 128;
    scalesPtr += G * 16;
    sumsPtr += G * 16;
  }
  for (; T > 0; T--) {
    oneToken<S>(yPtr, qPtr, scalesPtr, sumsPtr, wPtr, G, rows);
    yPtr += yStride;
    qPtr += G * 32;
    scalesPtr += G * 4;
    sumsPtr += G * 4;
  }
}

function oneToken<S>(
  yPtr: usize,
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
  let yLow = f32x4.splat(0);
  let yHigh = f32x4.splat(0);
  let w = wPtr + (isFloat<S>() ? 32 : 0);
  const end = scalesPtr + G * 4;

  while (scalesPtr < end) {
    let scaleLow = v128.load32_splat(scalesPtr);
    let scaleHigh = scaleLow;
    if (!isFloat<S>()) {
      const scales = v128.load(w);
      scaleLow = f32x4.mul(scaleLow, lowFloats(scales, scaleMask, scalePower));
      scaleHigh = f32x4.mul(scaleHigh, highFloats(scales, scaleMask, scalePower));
      w += 16;
    }

    let low = i32x4.mul(v128.load32_splat(sumsPtr), minus8);
    let high = low;
    const groupEnd = w + GROUP;
    do {
      const q0 = v128.load32_splat(qPtr);
      const q16 = v128.load32_splat(qPtr, 16);
      let n = v128.load(w);
      low = dotAdd(even(q0), odd(q0), lowEven(n, mask), lowOdd(n, mask), low);
      low = dotAdd(even(q16), odd(q16), highEven(n, mask), highOdd(n), low);
      n = v128.load(w, 16);
      high = dotAdd(even(q0), odd(q0), lowEven(n, mask), lowOdd(n, mask), high);
      high = dotAdd(even(q16), odd(q16), highEven(n, mask), highOdd(n), high);
      w += 32;
      qPtr += 4;
    } while (w < groupEnd);

    yLow = f32x4.add(yLow, f32x4.mul(f32x4.convert_i32x4_s(low), scaleLow));
    yHigh = f32x4.add(yHigh, f32x4.mul(f32x4.convert_i32x4_s(high), scaleHigh));
    qPtr += 16;
    scalesPtr += 4;
    sumsPtr += 4;
  }

  if (isFloat<S>()) {
    yLow = f32x4.mul(yLow, v128.load(wPtr));
    yHigh = f32x4.mul(yHigh, v128.load(wPtr, 16));
  }
  storeRows(yPtr, yLow, yHigh, rows);
}

/** y + float(sum) · (wScale · xScale), or · xScale where the row has one scale. */
@inline
function addGroup<S>(y: v128, sum: v128, wScale: v128, xScale: v128): v128 {
  const scale = isFloat<S>() ? xScale : f32x4.mul(wScale, xScale);
  return f32x4.add(y, f32x4.mul(f32x4.convert_i32x4_s(sum), scale));
}

/** Sixteen sums in eight registers: the low nibbles of a group first, then the high ones, so that
 *  their two vectors and the broadcast activations fit beside them. */
function fourTokens<S>(
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
  let q1 = qPtr + G * 32;
  let q2 = q1 + G * 32;
  let q3 = q2 + G * 32;
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

    const groupEnd = w + GROUP;
    do {
      const n = v128.load(w);
      const m = v128.load(w, 16);
      let q = v128.load32_splat(qPtr);
      a0 = dotAdd(even(q), odd(q), lowEven(n, mask), lowOdd(n, mask), a0);
      b0 = dotAdd(even(q), odd(q), lowEven(m, mask), lowOdd(m, mask), b0);
      q = v128.load32_splat(q1);
      a1 = dotAdd(even(q), odd(q), lowEven(n, mask), lowOdd(n, mask), a1);
      b1 = dotAdd(even(q), odd(q), lowEven(m, mask), lowOdd(m, mask), b1);
      q = v128.load32_splat(q2);
      a2 = dotAdd(even(q), odd(q), lowEven(n, mask), lowOdd(n, mask), a2);
      b2 = dotAdd(even(q), odd(q), lowEven(m, mask), lowOdd(m, mask), b2);
      q = v128.load32_splat(q3);
      a3 = dotAdd(even(q), odd(q), lowEven(n, mask), lowOdd(n, mask), a3);
      b3 = dotAdd(even(q), odd(q), lowEven(m, mask), lowOdd(m, mask), b3);
      w += 32;
      qPtr += 4;
      q1 += 4;
      q2 += 4;
      q3 += 4;
    } while (w < groupEnd);
    w -= GROUP;
    do {
      const n = v128.load(w);
      const m = v128.load(w, 16);
      let q = v128.load32_splat(qPtr);
      a0 = dotAdd(even(q), odd(q), highEven(n, mask), highOdd(n), a0);
      b0 = dotAdd(even(q), odd(q), highEven(m, mask), highOdd(m), b0);
      q = v128.load32_splat(q1);
      a1 = dotAdd(even(q), odd(q), highEven(n, mask), highOdd(n), a1);
      b1 = dotAdd(even(q), odd(q), highEven(m, mask), highOdd(m), b1);
      q = v128.load32_splat(q2);
      a2 = dotAdd(even(q), odd(q), highEven(n, mask), highOdd(n), a2);
      b2 = dotAdd(even(q), odd(q), highEven(m, mask), highOdd(m), b2);
      q = v128.load32_splat(q3);
      a3 = dotAdd(even(q), odd(q), highEven(n, mask), highOdd(n), a3);
      b3 = dotAdd(even(q), odd(q), highEven(m, mask), highOdd(m), b3);
      w += 32;
      qPtr += 4;
      q1 += 4;
      q2 += 4;
      q3 += 4;
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

/** Stores the rows of one token, times the scale of the row where it has one. */
@inline
function storeToken<S>(yPtr: usize, low: v128, high: v128, wPtr: usize, rows: usize): void {
  if (isFloat<S>()) {
    low = f32x4.mul(low, v128.load(wPtr));
    high = f32x4.mul(high, v128.load(wPtr, 16));
  }
  storeRows(yPtr, low, high, rows);
}
