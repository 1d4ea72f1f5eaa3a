/** Quantizes one group of 32 float32 weights: the scale d of least squared error among four
 *  candidates, then q = round(w / d), half to even. src/quantize/grouped.ts has the reasons and the
 *  formulas; the arithmetic, and so every bit, is the same.
 *
 *  Each candidate maps the weight of greatest magnitude to a divisor c, q = clamp(round(w · c /
 *  max)); the gain (Σwq)² / Σqq decides, and d = Σwq / Σqq is rounded to float16.
 *
 *      xPtr | w0 … w3 | w4 … w7 | … | w28 … w31 |      eight vectors, all in registers
 *
 *  Lanes are elements: Σ in lane i mod 4, in ascending order, lanes added as (0 + 2) + (1 + 3), for
 *  four candidates at once. Remainder: a short group is completed with zeros, nothing past it is
 *  read. Error: none against the mirror. */

import { FLOAT16_NAN, scaleBits, scaleOf } from './float16';
import { isAnyNaN, loadSome, packNibbles, packQuads, storeQuads } from './quads';

/** Below this magnitude every scale rounds to 0, and its reciprocal might overflow: 2⁻¹⁰⁰. */
const LEAST_MAGNITUDE: f32 = reinterpret<f32>(0x0d800000);

/** 1.5 · 2²³, where float32 numbers lie one apart: adding it rounds half to even, and the low bits
 *  of the sum hold the integer. */
const ROUNDING: f32 = 12582912.0;
const ROUNDING_BITS: i32 = 0x4b400000;

/** Σwq and Σqq of one candidate, each in two halves.
 *  @param inverse the candidate's 1 / d in all lanes @param clips whether q may leave the range
 *  @returns lanes Σwq of 0 + 2, Σqq of 0 + 2, Σwq of 1 + 3, Σqq of 1 + 3 */
@inline
function candidateSums(
  w0: v128, w1: v128, w2: v128, w3: v128,
  w4: v128, w5: v128, w6: v128, w7: v128,
  inverse: v128,
  clips: bool,
): v128 {
  let q = candidateRound(w0, inverse, clips);
  let wq = f32x4.mul(w0, q);
  let qq = f32x4.mul(q, q);
  q = candidateRound(w1, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w1, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  q = candidateRound(w2, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w2, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  q = candidateRound(w3, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w3, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  q = candidateRound(w4, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w4, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  q = candidateRound(w5, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w5, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  q = candidateRound(w6, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w6, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  q = candidateRound(w7, inverse, clips);
  wq = f32x4.add(wq, f32x4.mul(w7, q));
  qq = f32x4.add(qq, f32x4.mul(q, q));
  const low = v128.shuffle<f32>(wq, qq, 0, 4, 1, 5);
  const high = v128.shuffle<f32>(wq, qq, 2, 6, 3, 7);
  return f32x4.add(low, high);
}

/** The integers of a candidate of 4 bits, as float32. */
@inline
function candidateRound(w: v128, inverse: v128, clips: bool): v128 {
  const scaled = f32x4.mul(w, inverse);
  const clipped = f32x4.pmax(f32x4.pmin(scaled, f32x4.splat(7)), f32x4.splat(-8));
  return f32x4.nearest(clips ? clipped : scaled);
}

/** The bits of the scale that gains most, from the sums of four candidates. */
@inline
function bestScale(sums0: v128, sums1: v128, sums2: v128, sums3: v128): u32 {
  const first = f32x4.add(
    v128.shuffle<f32>(sums0, sums1, 0, 1, 4, 5),
    v128.shuffle<f32>(sums0, sums1, 2, 3, 6, 7),
  );
  const second = f32x4.add(
    v128.shuffle<f32>(sums2, sums3, 0, 1, 4, 5),
    v128.shuffle<f32>(sums2, sums3, 2, 3, 6, 7),
  );
  const wq = v128.shuffle<f32>(first, second, 0, 2, 4, 6);
  const qq = v128.shuffle<f32>(first, second, 1, 3, 5, 7);
  const scales = f32x4.div(wq, qq);
  const gains = f32x4.div(f32x4.mul(wq, wq), qq);
  let scale = f32x4.extract_lane(scales, 0);
  let gain = f32x4.extract_lane(gains, 0);
  if (f32x4.extract_lane(gains, 1) > gain) {
    scale = f32x4.extract_lane(scales, 1);
    gain = f32x4.extract_lane(gains, 1);
  }
  if (f32x4.extract_lane(gains, 2) > gain) {
    scale = f32x4.extract_lane(scales, 2);
    gain = f32x4.extract_lane(gains, 2);
  }
  if (f32x4.extract_lane(gains, 3) > gain) scale = f32x4.extract_lane(scales, 3);
  return scaleBits(scale);
}

/** The greatest of four lanes. */
@inline
function greatestLane(x: v128): f32 {
  const pairs = f32x4.pmax(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

/** Four integers as int32: clamp(round(w · inverse)). */
@inline
function finalRound(w: v128, inverse: v128, least: v128, greatest: v128): v128 {
  const clamped = f32x4.pmax(f32x4.pmin(f32x4.mul(w, inverse), greatest), least);
  const shifted = f32x4.add(clamped, f32x4.splat(ROUNDING));
  return i32x4.sub(shifted, i32x4.splat(ROUNDING_BITS));
}

/** Four bits: byte i holds q + 8 of element i in its low half, of element i + 16 in its high half.
 *  @param scalePtr float16 (overwritten) @param valuesPtr four times four bytes, `stride` apart
 *  (overwritten) @param xPtr float32 `[count]` @param count 1 or more; from 32 on it is 32 */
export function quantizeInt4Group(
  scalePtr: usize,
  valuesPtr: usize,
  stride: usize,
  xPtr: usize,
  count: isize,
): void {
  let w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128;
  if (count >= 32) {
    w0 = v128.load(xPtr);
    w1 = v128.load(xPtr, 16);
    w2 = v128.load(xPtr, 32);
    w3 = v128.load(xPtr, 48);
    w4 = v128.load(xPtr, 64);
    w5 = v128.load(xPtr, 80);
    w6 = v128.load(xPtr, 96);
    w7 = v128.load(xPtr, 112);
  } else {
    w0 = loadSome(xPtr, count);
    w1 = loadSome(xPtr + 16, count - 4);
    w2 = loadSome(xPtr + 32, count - 8);
    w3 = loadSome(xPtr + 48, count - 12);
    w4 = loadSome(xPtr + 64, count - 16);
    w5 = loadSome(xPtr + 80, count - 20);
    w6 = loadSome(xPtr + 96, count - 24);
    w7 = loadSome(xPtr + 112, count - 28);
  }

  const greatest = greatestLane(f32x4.pmax(
    f32x4.pmax(f32x4.pmax(w0, w1), f32x4.pmax(w2, w3)),
    f32x4.pmax(f32x4.pmax(w4, w5), f32x4.pmax(w6, w7)),
  ));
  const least = -greatestLane(f32x4.neg(f32x4.pmin(
    f32x4.pmin(f32x4.pmin(w0, w1), f32x4.pmin(w2, w3)),
    f32x4.pmin(f32x4.pmin(w4, w5), f32x4.pmin(w6, w7)),
  )));
  const magnitude = max(greatest, -least);
  // There is one number more below zero than above it, so the sign counts.
  const extreme = greatest > -least ? greatest : least;
  let bits: u32;
  if (magnitude >= LEAST_MAGNITUDE) {
    const sums0 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>-8 / extreme), true,
    );
    const sums1 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>-8.5 / extreme), true,
    );
    const sums2 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>-7.25 / extreme), false,
    );
    const sums3 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>7 / extreme), false,
    );
    bits = bestScale(sums0, sums1, sums2, sums3);
  } else {
    // Comparisons with NaN are false: it may be the extreme, or have been passed over.
    bits = isAnyNaN(w0, w1, w2, w3, w4, w5, w6, w7) ? FLOAT16_NAN : 0;
  }
  store<u16>(scalePtr, <u16>bits);

  const scale = scaleOf(bits);
  let bytes = i8x16.splat(<i8>0x88); // q + 8 for q = 0
  if (abs(scale) > 0) {
    const inverse = f32x4.splat(1 / scale);
    const low = packQuads(
      finalRound(w0, inverse, f32x4.splat(-8), f32x4.splat(7)),
      finalRound(w1, inverse, f32x4.splat(-8), f32x4.splat(7)),
      finalRound(w2, inverse, f32x4.splat(-8), f32x4.splat(7)),
      finalRound(w3, inverse, f32x4.splat(-8), f32x4.splat(7)),
    );
    const high = packQuads(
      finalRound(w4, inverse, f32x4.splat(-8), f32x4.splat(7)),
      finalRound(w5, inverse, f32x4.splat(-8), f32x4.splat(7)),
      finalRound(w6, inverse, f32x4.splat(-8), f32x4.splat(7)),
      finalRound(w7, inverse, f32x4.splat(-8), f32x4.splat(7)),
    );
    bytes = packNibbles(low, high);
  }
  storeQuads(valuesPtr, stride, bytes);
}

/** Eight bits, −127 … 127; the scale is 0 or more.
 *  @param scalePtr float16 (overwritten) @param valuesPtr eight times four bytes, `stride` apart
 *  (overwritten) @param xPtr float32 `[count]` @param count 1 or more; from 32 on it is 32 */
export function quantizeInt8Group(
  scalePtr: usize,
  valuesPtr: usize,
  stride: usize,
  xPtr: usize,
  count: isize,
): void {
  let w0: v128, w1: v128, w2: v128, w3: v128, w4: v128, w5: v128, w6: v128, w7: v128;
  if (count >= 32) {
    w0 = v128.load(xPtr);
    w1 = v128.load(xPtr, 16);
    w2 = v128.load(xPtr, 32);
    w3 = v128.load(xPtr, 48);
    w4 = v128.load(xPtr, 64);
    w5 = v128.load(xPtr, 80);
    w6 = v128.load(xPtr, 96);
    w7 = v128.load(xPtr, 112);
  } else {
    w0 = loadSome(xPtr, count);
    w1 = loadSome(xPtr + 16, count - 4);
    w2 = loadSome(xPtr + 32, count - 8);
    w3 = loadSome(xPtr + 48, count - 12);
    w4 = loadSome(xPtr + 64, count - 16);
    w5 = loadSome(xPtr + 80, count - 20);
    w6 = loadSome(xPtr + 96, count - 24);
    w7 = loadSome(xPtr + 112, count - 28);
  }

  const greatest = greatestLane(f32x4.pmax(
    f32x4.pmax(f32x4.pmax(w0, w1), f32x4.pmax(w2, w3)),
    f32x4.pmax(f32x4.pmax(w4, w5), f32x4.pmax(w6, w7)),
  ));
  const least = -greatestLane(f32x4.neg(f32x4.pmin(
    f32x4.pmin(f32x4.pmin(w0, w1), f32x4.pmin(w2, w3)),
    f32x4.pmin(f32x4.pmin(w4, w5), f32x4.pmin(w6, w7)),
  )));
  const extreme = max(greatest, -least);
  const magnitude = extreme;
  let bits: u32;
  if (magnitude >= LEAST_MAGNITUDE) {
    const sums0 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>127 / extreme), false,
    );
    const sums1 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>126 / extreme), false,
    );
    const sums2 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>125 / extreme), false,
    );
    const sums3 = candidateSums(
      w0, w1, w2, w3, w4, w5, w6, w7,
      f32x4.splat(<f32>124 / extreme), false,
    );
    bits = bestScale(sums0, sums1, sums2, sums3);
  } else {
    // Comparisons with NaN are false: it may be the extreme, or have been passed over.
    bits = isAnyNaN(w0, w1, w2, w3, w4, w5, w6, w7) ? FLOAT16_NAN : 0;
  }
  store<u16>(scalePtr, <u16>bits);

  const scale = scaleOf(bits);
  let low = i8x16.splat(0);
  let high = i8x16.splat(0);
  if (abs(scale) > 0) {
    const inverse = f32x4.splat(1 / scale);
    low = packQuads(
      finalRound(w0, inverse, f32x4.splat(-127), f32x4.splat(127)),
      finalRound(w1, inverse, f32x4.splat(-127), f32x4.splat(127)),
      finalRound(w2, inverse, f32x4.splat(-127), f32x4.splat(127)),
      finalRound(w3, inverse, f32x4.splat(-127), f32x4.splat(127)),
    );
    high = packQuads(
      finalRound(w4, inverse, f32x4.splat(-127), f32x4.splat(127)),
      finalRound(w5, inverse, f32x4.splat(-127), f32x4.splat(127)),
      finalRound(w6, inverse, f32x4.splat(-127), f32x4.splat(127)),
      finalRound(w7, inverse, f32x4.splat(-127), f32x4.splat(127)),
    );
  }
  storeQuads(valuesPtr, stride, low);
  storeQuads(valuesPtr + 4 * stride, stride, high);
}
