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
 *  meet the four nibbles of each row (see dot.ts). Tiles of four tokens come first (int4-tiles.ts),
 *  then 8 rows × 1 for each of the remaining tokens; missing rows of the last block are computed
 *  and not stored. Elements past `inFeatures` are zeros in q. Error: none, the mirror gives the
 *  same bits. */

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
import { fourTokens, INT4_GROUP, storeToken } from './int4-tiles';
import { ROWS } from './row-blocks';
import { highFloats, lowFloats } from './scale-lanes';

/** @param yPtr float32 `[T, outFeatures]` (overwritten in the rows) @param qPtr `[T, 32G]` as in
 *  dot.ts @param scalesPtr float32 `[T, G]` @param sumsPtr Σ q, int32 `[T, G]`
 *  @param wPtr row block 0 */
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
  const blockBytes: usize = (16 + INT4_GROUP) * G;
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
  const blockBytes: usize = 32 + INT4_GROUP * G;
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
    qPtr += G * ACTIVATION_GROUP * 4;
    scalesPtr += G * 16;
    sumsPtr += G * 16;
  }
  for (; T > 0; T--) {
    oneToken<S>(yPtr, qPtr, scalesPtr, sumsPtr, wPtr, G, rows);
    yPtr += yStride;
    qPtr += G * ACTIVATION_GROUP;
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
    const groupEnd = w + INT4_GROUP;
    do {
      const even0 = evenActivations(qPtr);
      const odd0 = oddActivations(qPtr, even0);
      const even16 = evenActivations(qPtr + 16 * ACTIVATION_BYTES);
      const odd16 = oddActivations(qPtr + 16 * ACTIVATION_BYTES, even16);
      let n = v128.load(w);
      low = dotAdd(even0, odd0, lowEven(n, mask), lowOdd(n, mask), low);
      low = dotAdd(even16, odd16, highEven(n, mask), highOdd(n), low);
      n = v128.load(w, 16);
      high = dotAdd(even0, odd0, lowEven(n, mask), lowOdd(n, mask), high);
      high = dotAdd(even16, odd16, highEven(n, mask), highOdd(n), high);
      w += 32;
      qPtr += 4 * ACTIVATION_BYTES;
    } while (w < groupEnd);

    yLow = f32x4.add(yLow, f32x4.mul(f32x4.convert_i32x4_s(low), scaleLow));
    yHigh = f32x4.add(yHigh, f32x4.mul(f32x4.convert_i32x4_s(high), scaleHigh));
    qPtr += 16 * ACTIVATION_BYTES;
    scalesPtr += 4;
    sumsPtr += 4;
  }

  storeToken<S>(yPtr, yLow, yHigh, wPtr, rows);
}
