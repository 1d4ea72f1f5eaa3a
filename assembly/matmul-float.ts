/** Matrix product with a transposed float weight: y[t, r] = Σᵢ x[t, i] · w[r, i].
 *
 *  16-bit weights are widened in registers, exactly. Every product and every sum rounds to float32,
 *  in ascending i, never fused: y has the same bits for every T, and for a weight in any dtype that
 *  holds the same numbers. |error| ≤ n · 2⁻²⁴ · Σ|x·w| at most; in practice far less (the spec).
 *
 *  The weight lies in blocks of eight rows, missing rows of the last one being zeros:
 *
 *      wPtr  | i = 0: r0 r1 r2 … r7 | i = 1: r0 … r7 | …       32 bytes an i, or 16
 *
 *  Lanes are rows, in two vectors: rows 0…3 and 4…7, in bfloat16 the even and the odd ones, until
 *  they are stored. x[t, i] is broadcast to all lanes. Tiles are 8 rows × 4 tokens, then 8 × 1 for
 *  the remaining tokens; every length works alike. Missing rows of the last block are computed and
 *  not stored. */

import {
  float16Exponent,
  float16Mask,
  float16Power,
  upperExponent,
  upperHalfMask,
} from './constants';
import { joinHigh, joinLow, upperHalves } from './scale-lanes';
import { ROWS, storeRows } from './row-blocks';

/** Storage of a weight, as a type that the loops are compiled for. */
type Float32 = f32;
type Bfloat16 = u16;
type Float16 = i16;

/** @param yPtr float32 `[T, outFeatures]` (overwritten in the rows) @param xPtr float32
 *  `[T, inFeatures]` @param wPtr row block 0, float32 */
export function matmulF32(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<Float32>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** As `matmulF32`, the weight in bfloat16. */
export function matmulBf16(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<Bfloat16>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** As `matmulF32`, the weight in float16. */
export function matmulF16(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<Float16>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

@inline
function blocks<S>(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const blockBytes = ROWS * sizeof<S>() * inFeatures;
  const yStride = outFeatures * 4;
  const yEnd = yPtr + rowEnd * 4;
  yPtr += rowStart * 4;
  wPtr += (rowStart / ROWS) * blockBytes;
  for (; yPtr < yEnd; yPtr += ROWS * 4) {
    const rows = (yEnd - yPtr) / 4;
    let y = yPtr;
    let x = xPtr;
    let t = T;
    for (; t >= 4; t -= 4) {
      fourTokens<S>(y, yStride, x, wPtr, inFeatures, rows);
      y += yStride * 4;
      x += inFeatures * 16;
    }
    for (; t > 0; t--) {
      oneToken<S>(y, x, wPtr, inFeatures, rows);
      y += yStride;
      x += inFeatures * 4;
    }
    wPtr += blockBytes;
  }
}

/** The constant that a bfloat16 or a float16 weight is taken apart with. */
@inline
function maskOf<S>(): v128 {
  return isSigned<S>() ? float16Mask() : upperHalfMask();
}

/** What `firstRows` and `secondRows` work with: the upper halves of eight float16, else the
 *  mask. */
@inline
function prepare<S>(wPtr: usize, mask: v128, exponent: v128, infinity: v128): v128 {
  if (isFloat<S>() || !isSigned<S>()) return mask;
  return upperHalves(v128.load(wPtr), mask, exponent, infinity);
}

/** Element i of rows 0…3; in bfloat16 of rows 0, 2, 4, 6, times 2¹⁶ as an integer. */
@inline
function firstRows<S>(wPtr: usize, prepared: v128, power: v128): v128 {
  if (isFloat<S>()) return v128.load(wPtr);
  const x = v128.load(wPtr);
  return isSigned<S>() ? joinLow(x, prepared, power) : i32x4.shl(x, 16);
}

/** Element i of rows 4…7; in bfloat16 of rows 1, 3, 5, 7. */
@inline
function secondRows<S>(wPtr: usize, prepared: v128, power: v128): v128 {
  if (isFloat<S>()) return v128.load(wPtr, 16);
  const x = v128.load(wPtr);
  return isSigned<S>() ? joinHigh(x, prepared, power) : v128.and(x, prepared);
}

/** Stores the sums of `firstRows` and `secondRows` in the order of the rows. */
@inline
function storeSums<S>(yPtr: usize, first: v128, second: v128, rows: usize): void {
  if (isFloat<S>() || isSigned<S>()) {
    storeRows(yPtr, first, second, rows);
  } else {
    const low = v128.shuffle<i32>(first, second, 0, 4, 1, 5);
    storeRows(yPtr, low, v128.shuffle<i32>(first, second, 2, 6, 3, 7), rows);
  }
}

function oneToken<S>(yPtr: usize, xPtr: usize, wPtr: usize, inFeatures: usize, rows: usize): void {
  const mask = maskOf<S>();
  const power = float16Power();
  const exponent = float16Exponent();
  const infinity = upperExponent();
  let low = f32x4.splat(0);
  let high = low;
  const end = xPtr + inFeatures * 4;
  while (xPtr < end) {
    const x = v128.load32_splat(xPtr);
    const halves = prepare<S>(wPtr, mask, exponent, infinity);
    low = f32x4.add(low, f32x4.mul(x, firstRows<S>(wPtr, halves, power)));
    high = f32x4.add(high, f32x4.mul(x, secondRows<S>(wPtr, halves, power)));
    xPtr += 4;
    wPtr += ROWS * sizeof<S>();
  }
  storeSums<S>(yPtr, low, high, rows);
}

function fourTokens<S>(
  yPtr: usize,
  yStride: usize,
  xPtr: usize,
  wPtr: usize,
  inFeatures: usize,
  rows: usize,
): void {
  const mask = maskOf<S>();
  const power = float16Power();
  const exponent = float16Exponent();
  const infinity = upperExponent();
  const stride = inFeatures * 4;
  let x1 = xPtr + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0; // rows 0…3 of the four tokens
  let z0 = y0, z1 = y0, z2 = y0, z3 = y0; // rows 4…7
  const end = xPtr + stride;
  while (xPtr < end) {
    const halves = prepare<S>(wPtr, mask, exponent, infinity);
    const low = firstRows<S>(wPtr, halves, power);
    const high = secondRows<S>(wPtr, halves, power);
    let x = v128.load32_splat(xPtr);
    y0 = f32x4.add(y0, f32x4.mul(x, low));
    z0 = f32x4.add(z0, f32x4.mul(x, high));
    x = v128.load32_splat(x1);
    y1 = f32x4.add(y1, f32x4.mul(x, low));
    z1 = f32x4.add(z1, f32x4.mul(x, high));
    x = v128.load32_splat(x2);
    y2 = f32x4.add(y2, f32x4.mul(x, low));
    z2 = f32x4.add(z2, f32x4.mul(x, high));
    x = v128.load32_splat(x3);
    y3 = f32x4.add(y3, f32x4.mul(x, low));
    z3 = f32x4.add(z3, f32x4.mul(x, high));
    xPtr += 4;
    x1 += 4;
    x2 += 4;
    x3 += 4;
    wPtr += ROWS * sizeof<S>();
  }
  storeSums<S>(yPtr, y0, z0, rows);
  storeSums<S>(yPtr + yStride, y1, z1, rows);
  storeSums<S>(yPtr + yStride * 2, y2, z2, rows);
  storeSums<S>(yPtr + yStride * 3, y3, z3, rows);
}
