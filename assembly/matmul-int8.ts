/** Quantized activations times a transposed int8 weight, groups of 32 elements:
 *
 *      y[t, r] = Σ_g float(Σᵢ q[t, 32g + i] · w[r, 32g + i]) · (wScale[r, g] · xScale[t, g])
 *
 *  The inner sum is an exact int32, whatever the weight, −128 included. Each product and each step
 *  of the outer sum, in ascending g, rounds to float32. With a scale per row instead (`…Channel`)
 *  the products take xScale alone, and the whole sum is multiplied by the row's scale at the end.
 *  The order is the same for every T.
 *
 *  Infinity and NaN among the scales take four instructions a group. So a tile takes scales for
 *  finite, and is done once more with those four when one was 2 or more: weights of 254 and more.
 *
 *  The weight lies in blocks of eight rows; a group is one piece of a block, G groups make one:
 *
 *      wPtr  | 8 float16 scales | j = 0: r0 r1 r2 … r7 | j = 1 | … | j = 7 |   272 bytes
 *      Channel: 8 float32 scales once before the groups of the block           256 bytes
 *
 *  At j the four bytes of a row hold elements 4j … 4j + 3.
 *
 *  Lanes are rows, in two vectors (rows 0…3 and 4…7). Four activations are broadcast to all lanes
 *  and split into two parts, each with sums of its own (see dot.ts). Tiles are 8 rows × 2 tokens,
 *  then 8 × 1 for the last token of an odd T; missing rows of the last block are computed and not
 *  stored. Elements past `inFeatures` are zeros in q. Offsets and scratch are not used: they stand
 *  here so that all integer kernels are called alike. Error: none, the mirror gives the same
 *  bits. */

import { float16Mask, float16Power } from './constants';
import {
  ACTIVATION_BYTES,
  ACTIVATION_GROUP,
  even,
  evenActivations,
  firstPart,
  joinParts,
  odd,
  partialDotAdd,
  secondPart,
} from './dot';
import {
  AnyFloat16,
  Float16,
  Float32,
  halvesOf,
  joinHigh,
  joinLow,
  mustRepeat,
} from './scale-lanes';
import { ROWS, storeRows } from './row-blocks';

/** Bytes of eight rows of a group without its scales. */
const GROUP: usize = 256;

/** @param yPtr float32 `[T, outFeatures]` (overwritten in the rows) @param qPtr `[G, T, 32]` as
 *  in dot.ts @param scalesPtr float32 `[G, T]` @param wPtr row block 0 */
export function matmulInt8(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  offsetsPtr: usize,
  wPtr: usize,
  scratchPtr: usize,
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
    tokens<Float16>(yPtr, qPtr, scalesPtr, wPtr, T, outFeatures, G, (yEnd - yPtr) / 4);
    wPtr += blockBytes;
  }
}

/** As `matmulInt8`, with one float32 scale per row of the weight. */
export function matmulInt8Channel(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  offsetsPtr: usize,
  wPtr: usize,
  scratchPtr: usize,
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
    tokens<Float32>(yPtr, qPtr, scalesPtr, wPtr, T, outFeatures, G, (yEnd - yPtr) / 4);
    wPtr += blockBytes;
  }
}

/** One row block times all tokens, once more where a scale turned out to be suspect. */
@inline
function tokens<S>(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  G: usize,
  rows: usize,
): void {
  const yStride = outFeatures * 4;
  for (let left = T; left >= 2; left -= 2) {
    if (twoTokens<S>(yPtr, yStride, qPtr, scalesPtr, wPtr, T, G, rows)) {
      twoTokens<AnyFloat16>(yPtr, yStride, qPtr, scalesPtr, wPtr, T, G, rows);
    }
    yPtr += yStride * 2;
    qPtr += ACTIVATION_GROUP * 2;
    scalesPtr += 8;
  }
  if ((T & 1) === 1 && oneToken<S>(yPtr, qPtr, scalesPtr, wPtr, T, G, rows)) {
    oneToken<AnyFloat16>(yPtr, qPtr, scalesPtr, wPtr, T, G, rows);
  }
}

/** @returns whether y may be wrong, since the scales must be taken as `AnyFloat16` */
function oneToken<S>(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  wPtr: usize,
  T: usize,
  G: usize,
  rows: usize,
): bool {
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  let seen: u64 = 0;
  let yLow = f32x4.splat(0);
  let yHigh = f32x4.splat(0);
  let w = wPtr + (isFloat<S>() ? 32 : 0);
  const nextGroup = (T - 1) * ACTIVATION_GROUP;

  for (; G > 0; G--) {
    let scaleLow = v128.load32_splat(scalesPtr);
    let scaleHigh = scaleLow;
    if (!isFloat<S>()) {
      const scales = v128.load(w);
      const halves = halvesOf<S>(scales, scaleMask);
      seen |= load<u64>(w) | load<u64>(w, 8);
      scaleLow = f32x4.mul(scaleLow, joinLow(scales, halves, scalePower));
      scaleHigh = f32x4.mul(scaleHigh, joinHigh(scales, halves, scalePower));
      w += 16;
    }

    let low = i32x4.splat(0), lowSecond = low;
    let high = low, highSecond = low;
    const groupEnd = w + GROUP;
    do {
      const q = evenActivations(qPtr);
      const first = firstPart(q);
      const second = secondPart(qPtr, q, first);
      let weight = v128.load(w);
      low = partialDotAdd(even(weight), first, low);
      lowSecond = partialDotAdd(odd(weight), second, lowSecond);
      weight = v128.load(w, 16);
      high = partialDotAdd(even(weight), first, high);
      highSecond = partialDotAdd(odd(weight), second, highSecond);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);

    low = joinParts(low, lowSecond);
    high = joinParts(high, highSecond);
    yLow = f32x4.add(yLow, f32x4.mul(f32x4.convert_i32x4_s(low), scaleLow));
    yHigh = f32x4.add(yHigh, f32x4.mul(f32x4.convert_i32x4_s(high), scaleHigh));
    qPtr += nextGroup;
    scalesPtr += T * 4;
  }

  storeToken<S>(yPtr, yLow, yHigh, wPtr, rows);
  return mustRepeat<S>(seen);
}

/** y + float(sum) · (wScale · xScale), or · xScale where the row has one scale. */
@inline
function addGroup<S>(y: v128, sum: v128, wScale: v128, xScale: v128): v128 {
  const scale = isFloat<S>() ? xScale : f32x4.mul(wScale, xScale);
  return f32x4.add(y, f32x4.mul(f32x4.convert_i32x4_s(sum), scale));
}

/** @returns as `oneToken` */
function twoTokens<S>(
  yPtr: usize,
  yStride: usize,
  qPtr: usize,
  scalesPtr: usize,
  wPtr: usize,
  T: usize,
  G: usize,
  rows: usize,
): bool {
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  let seen: u64 = 0;
  const nextGroup = (T - 1) * ACTIVATION_GROUP;
  let y0 = f32x4.splat(0), y1 = y0; // rows 0…3 of the two tokens
  let z0 = y0, z1 = y0; // rows 4…7
  let w = wPtr + (isFloat<S>() ? 32 : 0);

  for (; G > 0; G--) {
    let scaleLow = y0;
    let scaleHigh = y0;
    if (!isFloat<S>()) {
      const scales = v128.load(w);
      const halves = halvesOf<S>(scales, scaleMask);
      seen |= load<u64>(w) | load<u64>(w, 8);
      scaleLow = joinLow(scales, halves, scalePower);
      scaleHigh = joinHigh(scales, halves, scalePower);
      w += 16;
    }

    let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
    let c0 = a0, c1 = a0, d0 = a0, d1 = a0; // the second parts
    const groupEnd = w + GROUP;
    do {
      const weight = v128.load(w);
      const other = v128.load(w, 16);
      let q = evenActivations(qPtr);
      let first = firstPart(q);
      let second = secondPart(qPtr, q, first);
      a0 = partialDotAdd(even(weight), first, a0);
      c0 = partialDotAdd(odd(weight), second, c0);
      b0 = partialDotAdd(even(other), first, b0);
      d0 = partialDotAdd(odd(other), second, d0);
      q = evenActivations(qPtr + ACTIVATION_GROUP);
      first = firstPart(q);
      second = secondPart(qPtr + ACTIVATION_GROUP, q, first);
      a1 = partialDotAdd(even(weight), first, a1);
      c1 = partialDotAdd(odd(weight), second, c1);
      b1 = partialDotAdd(even(other), first, b1);
      d1 = partialDotAdd(odd(other), second, d1);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);

    let xScale = v128.load32_splat(scalesPtr);
    y0 = addGroup<S>(y0, joinParts(a0, c0), scaleLow, xScale);
    z0 = addGroup<S>(z0, joinParts(b0, d0), scaleHigh, xScale);
    xScale = v128.load32_splat(scalesPtr, 4);
    y1 = addGroup<S>(y1, joinParts(a1, c1), scaleLow, xScale);
    z1 = addGroup<S>(z1, joinParts(b1, d1), scaleHigh, xScale);
    qPtr += nextGroup;
    scalesPtr += T * 4;
  }

  storeToken<S>(yPtr, y0, z0, wPtr, rows);
  storeToken<S>(yPtr + yStride, y1, z1, wPtr, rows);
  return mustRepeat<S>(seen);
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
