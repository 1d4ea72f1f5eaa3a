/** Float32 activations times a transposed integer weight, dequantized in registers:
 *
 *      y[t, r] = Σᵢ x[t, i] · w[r, i],   w[r, i] = float(q[r, i]) · scale
 *
 *  with the scale of the group of 32 that holds i, or of the row (`…Channel`). The weight rounds to
 *  float32, then every product and every sum does, in ascending i, never fused: y has the bits that
 *  `matmulF32` gives for the dequantized weight, for every T.
 *
 *  Layouts as in matmul-int8.ts and matmul-int4.ts: at j, the four bytes of a row are a 32-bit lane
 *
 *      int8  | 4j | 4j + 1 | 4j + 2 | 4j + 3 |                 sign-extended by two shifts
 *      int4  | 4j, 16 + 4j | … | 4j + 3, 19 + 4j |             low and high nibbles, each q + 8
 *
 *  Lanes are rows, in two vectors (rows 0…3 and 4…7); x[t, i] is broadcast to all lanes. Tiles are
 *  8 rows × 4 tokens, then 8 × 1 for the remaining tokens; every length works alike. Missing rows
 *  of the last block are computed and not stored. */

import { float16Mask, float16Power, laneNibbleMask, minusEight } from './constants';
import { joinHigh, joinLow, scaleHalves } from './scale-lanes';
import { ROWS, storeRows } from './row-blocks';

/** @param yPtr float32 `[T, outFeatures]` (overwritten in the rows) @param xPtr float32
 *  `[T, inFeatures]` @param wPtr row block 0 */
export function matmulInt8Exact(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<i8, u16>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** As `matmulInt8Exact`, with one float32 scale per row. */
export function matmulInt8ChannelExact(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<i8, f32>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** As `matmulInt8Exact`, the weight in nibbles. */
export function matmulInt4Exact(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<u8, u16>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** As `matmulInt4Exact`, with one float32 scale per row. */
export function matmulInt4ChannelExact(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  blocks<u8, f32>(yPtr, xPtr, wPtr, T, outFeatures, inFeatures, rowStart, rowEnd);
}

/** Bytes of eight rows of a group without its scales. @typeParam E int8 as i8, int4 as u8 */
@inline
function groupBytes<E>(): usize {
  return isSigned<E>() ? 256 : 128;
}

/** @typeParam S storage of the scales: float16 per group as u16, or float32 per row */
@inline
function blocks<E, S>(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  T: usize,
  outFeatures: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const G = (inFeatures + 31) / 32;
  const blockBytes: usize = isFloat<S>() ? 32 + groupBytes<E>() * G : (16 + groupBytes<E>()) * G;
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
      fourTokens<E, S>(y, yStride, x, wPtr, inFeatures, rows);
      y += yStride * 4;
      x += inFeatures * 16;
    }
    for (; t > 0; t--) {
      oneToken<E, S>(y, x, wPtr, inFeatures, rows);
      y += yStride;
      x += inFeatures * 4;
    }
    wPtr += blockBytes;
  }
}

/** The four bytes of each of four rows that begin with element i, a multiple of 4; in int4 those
 *  that hold it, its nibbles being the low ones. @param wPtr the bytes of element 0 */
@inline
function quadOf<E>(wPtr: usize, i: usize): v128 {
  if (isSigned<E>()) return v128.load(wPtr + i * 8);
  return i >= 16 ? i32x4.shr_u(v128.load(wPtr + (i - 16) * 8), 4) : v128.load(wPtr + i * 8);
}

/** The first element of each quad, as float32. */
@inline
function firstOf<E>(quad: v128, mask: v128, minus8: v128): v128 {
  if (isSigned<E>()) return f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(quad, 24), 24));
  return f32x4.convert_i32x4_s(i32x4.add(v128.and(quad, mask), minus8));
}

function oneToken<E, S>(
  yPtr: usize,
  xPtr: usize,
  wPtr: usize,
  inFeatures: usize,
  rows: usize,
): void {
  const mask = laneNibbleMask();
  const minus8 = minusEight();
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  let low = f32x4.splat(0), high = low;
  let scaleLow = low, scaleHigh = low;
  if (isFloat<S>()) {
    scaleLow = v128.load(wPtr);
    scaleHigh = v128.load(wPtr, 16);
    wPtr += 32;
  }
  while (inFeatures > 0) {
    if (!isFloat<S>()) {
      const scales = v128.load(wPtr);
      const halves = scaleHalves(scales, scaleMask);
      scaleLow = joinLow(scales, halves, scalePower);
      scaleHigh = joinHigh(scales, halves, scalePower);
      wPtr += 16;
    }
    let quadLow = scaleLow, quadHigh = scaleLow;
    const count = min<usize>(inFeatures, 32);
    for (let i: usize = 0; i < count; i++) {
      if ((i & 3) == 0) {
        quadLow = quadOf<E>(wPtr, i);
        quadHigh = quadOf<E>(wPtr + 16, i);
      }
      const x = v128.load32_splat(xPtr);
      const wLow = f32x4.mul(firstOf<E>(quadLow, mask, minus8), scaleLow);
      const wHigh = f32x4.mul(firstOf<E>(quadHigh, mask, minus8), scaleHigh);
      low = f32x4.add(low, f32x4.mul(x, wLow));
      high = f32x4.add(high, f32x4.mul(x, wHigh));
      quadLow = i32x4.shr_u(quadLow, 8);
      quadHigh = i32x4.shr_u(quadHigh, 8);
      xPtr += 4;
    }
    wPtr += groupBytes<E>();
    inFeatures -= count;
  }
  storeRows(yPtr, low, high, rows);
}

function fourTokens<E, S>(
  yPtr: usize,
  yStride: usize,
  xPtr: usize,
  wPtr: usize,
  inFeatures: usize,
  rows: usize,
): void {
  const mask = laneNibbleMask();
  const minus8 = minusEight();
  const scaleMask = float16Mask();
  const scalePower = float16Power();
  const next = inFeatures * 4;
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0; // rows 0…3 of the four tokens
  let z0 = y0, z1 = y0, z2 = y0, z3 = y0; // rows 4…7
  let scaleLow = y0, scaleHigh = y0;
  if (isFloat<S>()) {
    scaleLow = v128.load(wPtr);
    scaleHigh = v128.load(wPtr, 16);
    wPtr += 32;
  }
  while (inFeatures > 0) {
    if (!isFloat<S>()) {
      const scales = v128.load(wPtr);
      const halves = scaleHalves(scales, scaleMask);
      scaleLow = joinLow(scales, halves, scalePower);
      scaleHigh = joinHigh(scales, halves, scalePower);
      wPtr += 16;
    }
    let quadLow = scaleLow, quadHigh = scaleLow;
    const count = min<usize>(inFeatures, 32);
    for (let i: usize = 0; i < count; i++) {
      if ((i & 3) == 0) {
        quadLow = quadOf<E>(wPtr, i);
        quadHigh = quadOf<E>(wPtr + 16, i);
      }
      const wLow = f32x4.mul(firstOf<E>(quadLow, mask, minus8), scaleLow);
      const wHigh = f32x4.mul(firstOf<E>(quadHigh, mask, minus8), scaleHigh);
      let x = v128.load32_splat(xPtr);
      y0 = f32x4.add(y0, f32x4.mul(x, wLow));
      z0 = f32x4.add(z0, f32x4.mul(x, wHigh));
      x = v128.load32_splat(xPtr + next);
      y1 = f32x4.add(y1, f32x4.mul(x, wLow));
      z1 = f32x4.add(z1, f32x4.mul(x, wHigh));
      x = v128.load32_splat(xPtr + next * 2);
      y2 = f32x4.add(y2, f32x4.mul(x, wLow));
      z2 = f32x4.add(z2, f32x4.mul(x, wHigh));
      x = v128.load32_splat(xPtr + next * 3);
      y3 = f32x4.add(y3, f32x4.mul(x, wLow));
      z3 = f32x4.add(z3, f32x4.mul(x, wHigh));
      quadLow = i32x4.shr_u(quadLow, 8);
      quadHigh = i32x4.shr_u(quadHigh, 8);
      xPtr += 4;
    }
    wPtr += groupBytes<E>();
    inFeatures -= count;
  }
  storeRows(yPtr, y0, z0, rows);
  storeRows(yPtr + yStride, y1, z1, rows);
  storeRows(yPtr + yStride * 2, y2, z2, rows);
  storeRows(yPtr + yStride * 3, y3, z3, rows);
}
