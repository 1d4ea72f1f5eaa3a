/** Quantized activations times a transposed int4 weight, groups of 32 elements:
 *
 *      y[t, r] = Σ_g float(Σᵢ q[t, 32g + i] · w[r, 32g + i]) · (wScale[r, g] · xScale[t, g])
 *
 *  The inner sum is an exact int32. Each product and each step of the outer sum, in ascending g,
 *  rounds to float32. With a scale per row instead (`…Channel`) the products take xScale alone, and
 *  the whole sum is multiplied by the row's scale at the end. The order is the same for every T.
 *  Scales that are infinity or NaN are treated as in matmul-int8.ts.
 *
 *  The weight lies in blocks of eight rows; a group is one piece of a block, G groups make one:
 *
 *      wPtr  | 8 float16 scales | j = 0: r0 r1 r2 … r7 | j = 1 | j = 2 | j = 3 |   144 bytes
 *      Channel: 8 float32 scales once before the groups of the block               128 bytes
 *
 *  At j the four bytes of a row hold elements 4j + i in the low and 16 + 4j + i in the high nibble,
 *  each as n = w + 8. Since Σ q·w = Σ q·n − 8 · Σ q, the sum starts at the offset −8 · Σ q.
 *
 *  Lanes are rows, in two vectors (rows 0…3 and 4…7). Four activations, broadcast to all lanes,
 *  meet the four nibbles of each row (see dot.ts). Fours of tokens meet whole blocks together
 *  (int4-tiles.ts), the others go one by one; missing rows of the last block are computed and not
 *  stored. Elements past `inFeatures` are zeros in q. Error: none, the mirror gives the same
 *  bits. */

import { float16Mask, float16Power, nibbleMask } from './constants';
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
import { INT4_GROUP, manyTokens, SCRATCH_BYTES, storeToken } from './int4-tiles';
import { ROWS } from './row-blocks';
import {
  AnyFloat16,
  Float16,
  Float32,
  halvesOf,
  joinHigh,
  joinLow,
  mustRepeat,
} from './scale-lanes';

/** @param yPtr float32 `[T, outFeatures]` (overwritten in the rows) @param qPtr `[G, T, 32]` as
 *  in dot.ts @param scalesPtr float32 `[G, T]` @param offsetsPtr −8 · Σ q, int32 `[G, T]`
 *  @param wPtr row block 0 @param scratchPtr (overwritten) for `outFeatures` */
export function matmulInt4(
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
  const blockBytes: usize = (16 + INT4_GROUP) * G;
  const yEnd = yPtr + rowEnd * 4;
  yPtr += rowStart * 4;
  wPtr += (rowStart / ROWS) * blockBytes;
  scratchPtr += (rowStart / ROWS) * SCRATCH_BYTES;
  for (; yPtr < yEnd; yPtr += ROWS * 4) {
    const rows = (yEnd - yPtr) / 4;
    tokens<Float16>(yPtr, qPtr, scalesPtr, offsetsPtr, wPtr, scratchPtr, T, outFeatures, G, rows);
    wPtr += blockBytes;
  }
}

/** As `matmulInt4`, with one float32 scale per row of the weight. */
export function matmulInt4Channel(
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
  const blockBytes: usize = 32 + INT4_GROUP * G;
  const yEnd = yPtr + rowEnd * 4;
  yPtr += rowStart * 4;
  wPtr += (rowStart / ROWS) * blockBytes;
  scratchPtr += (rowStart / ROWS) * SCRATCH_BYTES;
  for (; yPtr < yEnd; yPtr += ROWS * 4) {
    const rows = (yEnd - yPtr) / 4;
    tokens<Float32>(yPtr, qPtr, scalesPtr, offsetsPtr, wPtr, scratchPtr, T, outFeatures, G, rows);
    wPtr += blockBytes;
  }
}

/** One row block times all tokens, once more where a scale turned out to be suspect. */
@inline
function tokens<S>(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  offsetsPtr: usize,
  wPtr: usize,
  scratchPtr: usize,
  T: usize,
  outFeatures: usize,
  G: usize,
  rows: usize,
): void {
  const yStride = outFeatures * 4;
  for (let left = T; left > 0; ) {
    let done: usize = 1;
    if (left >= 4 && rows >= ROWS) {
      done = manyTokens<S>(
        yPtr, yStride, qPtr, scalesPtr, offsetsPtr, wPtr, scratchPtr, left, T, G,
      );
    } else if (oneToken<S>(yPtr, qPtr, scalesPtr, offsetsPtr, wPtr, T, G, rows)) {
      oneToken<AnyFloat16>(yPtr, qPtr, scalesPtr, offsetsPtr, wPtr, T, G, rows);
    }
    yPtr += yStride * done;
    qPtr += ACTIVATION_GROUP * done;
    scalesPtr += 4 * done;
    offsetsPtr += 4 * done;
    left -= done;
  }
}

/** @returns whether y may be wrong, since the scales must be taken as `AnyFloat16` */
function oneToken<S>(
  yPtr: usize,
  qPtr: usize,
  scalesPtr: usize,
  offsetsPtr: usize,
  wPtr: usize,
  T: usize,
  G: usize,
  rows: usize,
): bool {
  const mask = nibbleMask();
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

    let low = v128.load32_splat(offsetsPtr);
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
    qPtr += 16 * ACTIVATION_BYTES + nextGroup;
    scalesPtr += T * 4;
    offsetsPtr += T * 4;
  }

  storeToken<S>(yPtr, yLow, yHigh, wPtr, rows);
  return mustRepeat<S>(seen);
}
