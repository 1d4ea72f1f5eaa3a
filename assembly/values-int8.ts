/** Weighted int8 values of one block: y[i] = y[i] + float32(Σ_s w[s] · v[s, i]) · scale, the sum an
 *  integer.
 *
 *      values of one head   | 16 quads of [16 channels][4 positions] | 16 of the next 16 | … |
 *
 *  The last group is as wide as the rest of B, which is D rounded up to a multiple of 4.
 *
 *  The weights of a block are its exponentials times the value scales, as integers of 14 bits
 *  relative to the greatest of the block, half to even: w = round(e · scale[s] · (16383 / max)).
 *  A weight is off by half a step, 2⁻¹⁵ of the greatest, which is far below the half step of 1/127
 *  that the values themselves are off by. Weights of positions that are not seen are 0, and so is
 *  a block whose greatest weight is below 2⁻¹¹². |Σ| < 64 · 127 · 2¹⁴ < 2³¹.
 *
 *  One 16-byte load holds four positions of four channels, which are the lanes of the sums.
 *  - Relaxed build: w = 128 · high + low, two dot products with bytes of 0…127.
 *  - Baseline build: values and weights of 16 bits, a lane for every two positions; the two lanes
 *    of a channel are added at the end.
 *  Both give the same integers. */

import { greatestLane } from './int8-row';

/** Bytes of the weights of one block and query. */
export const WEIGHTS_BYTES: usize = 128;

/** Bytes from one quad of weights to the next. */
const WEIGHT_STEP: usize = ASC_FEATURE_RELAXED_SIMD ? 4 : 8;

/** The integer weights of one block.
 *  @param weightsPtr (overwritten) relaxed: high `[64] u8`, low `[64] u8`; baseline: `[64] i16`
 *  @param xPtr exponentials `[64]` @param scalesPtr of the values `[64]`
 *  @returns the scale of the sums; 0 when there is nothing to sum */
export function writeWeights(weightsPtr: usize, xPtr: usize, scalesPtr: usize): f32 {
  let maxima = f32x4.splat(0);
  for (let i: usize = 0; i < 256; i += 16) {
    maxima = i32x4.max_s(maxima, weightLanes(xPtr + i, scalesPtr + i));
  }
  const greatest = greatestLane(maxima);
  const isNothing = greatest < <f32>1.925929944387236e-34; // 2⁻¹¹²
  const inverses = f32x4.splat(isNothing ? 0 : 16383 / greatest);
  for (let i: usize = 0; i < 256; i += 64) {
    const a = integerLanes(xPtr + i, scalesPtr + i, inverses);
    const b = integerLanes(xPtr + i + 16, scalesPtr + i + 16, inverses);
    const c = integerLanes(xPtr + i + 32, scalesPtr + i + 32, inverses);
    const d = integerLanes(xPtr + i + 48, scalesPtr + i + 48, inverses);
    const ab = i16x8.narrow_i32x4_s(a, b);
    const cd = i16x8.narrow_i32x4_s(c, d);
    if (ASC_FEATURE_RELAXED_SIMD) {
      const high = i8x16.narrow_i16x8_u(i16x8.shr_u(ab, 7), i16x8.shr_u(cd, 7));
      const mask = i16x8.splat(127);
      const low = i8x16.narrow_i16x8_u(v128.and(ab, mask), v128.and(cd, mask));
      v128.store(weightsPtr + (i >> 2), high);
      v128.store(weightsPtr + (i >> 2), low, 64);
    } else {
      v128.store(weightsPtr + (i >> 1), ab);
      v128.store(weightsPtr + (i >> 1), cd, 16);
    }
  }
  return isNothing ? 0 : greatest / 16383;
}

/** |e · scale|, and 0 where e is 0, whatever stands in the place of the scale. Only NaN has a sign
 *  to be taken off; so it is the greatest as an integer. */
@inline
function weightLanes(xPtr: usize, scalesPtr: usize): v128 {
  const x = v128.load(xPtr);
  const isSeen = f32x4.ne(x, f32x4.splat(0));
  return v128.and(f32x4.abs(f32x4.mul(x, v128.load(scalesPtr))), isSeen);
}

/** round(weight · inverse), as the low bits of that number + 1.5 · 2²³. */
@inline
function integerLanes(xPtr: usize, scalesPtr: usize, inverses: v128): v128 {
  const weights = f32x4.mul(weightLanes(xPtr, scalesPtr), inverses);
  return v128.and(f32x4.add(weights, f32x4.splat(12582912)), i32x4.splat(16383));
}

/** One query, 16 channels at a time, then 4.
 *  @param yPtr `[D]` (overwritten) @param valuesPtr `[B/16][16][16][4]`
 *  @param quads to be summed */
export function weighOneInt8(
  yPtr: usize,
  weightsPtr: usize,
  valuesPtr: usize,
  D: usize,
  quads: usize,
  scale: f32,
): void {
  const scales = f32x4.splat(scale);
  const weightsEnd = weightsPtr + quads * WEIGHT_STEP;
  let i: usize = 0;
  for (; i + 16 <= D; i += 16) {
    let v = valuesPtr + i * 64;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (let weight = weightsPtr; weight < weightsEnd; weight += WEIGHT_STEP) {
      const a = v128.load(v);
      const b = v128.load(v, 16);
      const c = v128.load(v, 32);
      const d = v128.load(v, 48);
      v += 64;
      if (ASC_FEATURE_RELAXED_SIMD) {
        const high = v128.load32_splat(weight);
        const low = v128.load32_splat(weight, 64);
        a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, high, a0);
        a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, low, a1);
        b0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, high, b0);
        b1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(b, low, b1);
        c0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c, high, c0);
        c1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(c, low, c1);
        d0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(d, high, d0);
        d1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(d, low, d1);
      } else {
        const w = v128.load64_splat(weight);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(a), w));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(a), w));
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(b), w));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(b), w));
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(c), w));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(c), w));
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(d), w));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(d), w));
      }
    }
    addLanes(yPtr + i * 4, sumLanes(a0, a1), scales);
    addLanes(yPtr + i * 4 + 16, sumLanes(b0, b1), scales);
    addLanes(yPtr + i * 4 + 32, sumLanes(c0, c1), scales);
    addLanes(yPtr + i * 4 + 48, sumLanes(d0, d1), scales);
  }
  const stride = ((D - i + 3) & ~3) * 4;
  weighRestInt8(yPtr + i * 4, weightsPtr, valuesPtr + i * 64, D - i, stride, quads, scales);
}

/** Two queries, 8 channels at a time; the rest one query after the other.
 *  @param yPtr `[D]` of the first query (overwritten), the second `yStride` bytes on
 *  @param weightsPtr of the first query, the second `WEIGHTS_BYTES` on */
export function weighTwoInt8(
  yPtr: usize,
  yStride: usize,
  weightsPtr: usize,
  valuesPtr: usize,
  D: usize,
  quads: usize,
  scale0: f32,
  scale1: f32,
): void {
  const B = (D + 3) & ~3;
  const scales0 = f32x4.splat(scale0);
  const scales1 = f32x4.splat(scale1);
  const weightsEnd = weightsPtr + quads * WEIGHT_STEP;
  let i: usize = 0;
  for (; i + 8 <= D; i += 8) {
    const stride = groupStride(B, i);
    let v = valuesPtr + channelOffset(i);
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    for (let weight = weightsPtr; weight < weightsEnd; weight += WEIGHT_STEP) {
      const x = v128.load(v);
      const y = v128.load(v, 16);
      v += stride;
      if (ASC_FEATURE_RELAXED_SIMD) {
        const high0 = v128.load32_splat(weight);
        a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, high0, a0);
        b0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, high0, b0);
        const low0 = v128.load32_splat(weight, 64);
        a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, low0, a1);
        b1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, low0, b1);
        const high1 = v128.load32_splat(weight, 128);
        c0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, high1, c0);
        d0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, high1, d0);
        const low1 = v128.load32_splat(weight, 192);
        c1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, low1, c1);
        d1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, low1, d1);
      } else {
        const x0 = i16x8.extend_low_i8x16_s(x);
        const x1 = i16x8.extend_high_i8x16_s(x);
        const y0 = i16x8.extend_low_i8x16_s(y);
        const y1 = i16x8.extend_high_i8x16_s(y);
        const w0 = v128.load64_splat(weight);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(x0, w0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(x1, w0));
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(y0, w0));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(y1, w0));
        const w1 = v128.load64_splat(weight, 128);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(x0, w1));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(x1, w1));
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(y0, w1));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(y1, w1));
      }
    }
    const y = yPtr + i * 4;
    addLanes(y, sumLanes(a0, a1), scales0);
    addLanes(y + 16, sumLanes(b0, b1), scales0);
    addLanes(y + yStride, sumLanes(c0, c1), scales1);
    addLanes(y + yStride + 16, sumLanes(d0, d1), scales1);
  }
  const v = valuesPtr + channelOffset(i);
  const stride = groupStride(B, i);
  weighRestInt8(yPtr + i * 4, weightsPtr, v, D - i, stride, quads, scales0);
  const y1 = yPtr + yStride + i * 4;
  weighRestInt8(y1, weightsPtr + WEIGHTS_BYTES, v, D - i, stride, quads, scales1);
}

/** Bytes from channel 0 to channel i of the first quad. */
@inline
function channelOffset(i: usize): usize {
  return (i & ~15) * 64 + (i & 15) * 4;
}

/** Bytes from one quad to the next in the group of channel i. */
@inline
function groupStride(B: usize, i: usize): usize {
  return min<usize>(B - (i & ~15), 16) * 4;
}

/** One query, 4 channels at a time; of the last four only those that exist are stored. */
function weighRestInt8(
  yPtr: usize,
  weightsPtr: usize,
  valuesPtr: usize,
  channels: usize,
  stride: usize,
  quads: usize,
  scales: v128,
): void {
  const weightsEnd = weightsPtr + quads * WEIGHT_STEP;
  for (let i: usize = 0; i < channels; i += 4) {
    let v = valuesPtr + i * 4;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    for (let weight = weightsPtr; weight < weightsEnd; weight += WEIGHT_STEP) {
      const a = v128.load(v);
      v += stride;
      if (ASC_FEATURE_RELAXED_SIMD) {
        a0 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, v128.load32_splat(weight), a0);
        a1 = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, v128.load32_splat(weight, 64), a1);
      } else {
        const w = v128.load64_splat(weight);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(a), w));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(a), w));
      }
    }
    const sums = f32x4.mul(f32x4.convert_i32x4_s(sumLanes(a0, a1)), scales);
    const y = yPtr + i * 4;
    const left = channels - i;
    if (left >= 4) {
      v128.store(y, f32x4.add(v128.load(y), sums));
    } else {
      addLane(y, f32x4.extract_lane(sums, 0));
      if (left > 1) addLane(y + 4, f32x4.extract_lane(sums, 1));
      if (left > 2) addLane(y + 8, f32x4.extract_lane(sums, 2));
    }
  }
}

/** The sums of four channels from the two parts that each build keeps. */
@inline
function sumLanes(a: v128, b: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD
    ? i32x4.add(i32x4.shl(a, 7), b)
    : i32x4.add(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7));
}

@inline
function addLanes(yPtr: usize, sums: v128, scales: v128): void {
  const scaled = f32x4.mul(f32x4.convert_i32x4_s(sums), scales);
  v128.store(yPtr, f32x4.add(v128.load(yPtr), scaled));
}

@inline
function addLane(yPtr: usize, sum: f32): void {
  store<f32>(yPtr, load<f32>(yPtr) + sum);
}
