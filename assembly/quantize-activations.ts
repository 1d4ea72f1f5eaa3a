/** Activations as int8, in groups of 32: amax = max |x|, scale = amax / 127, q = x / scale.
 *
 *  Both quotients round to float32; q then rounds to the nearest integer, halves to even, and lies
 *  in −127…127. Where the scale is 0 (amax is 0, or too small for float32 once divided) all q are
 *  0. NaN makes the scale NaN, infinity makes it infinite, and all q 0: products of the two are NaN
 *  either way, and so NaN is not hidden. The offset −8 · Σ q is where an int4 sum starts.
 *
 *      xPtr  | 32 float32 | 32 float32 | … |      one row per token
 *      qPtr  | 32 q of each token | 32 q of each token | … |     one such row per group, in the
 *                                                 order and width of dot.ts; scales and offsets
 *                                                 likewise, one each per group and token
 *
 *  Lanes are four neighbouring elements. A last group of less than 32 elements is completed with
 *  zeros. Error: none, the mirror gives the same
 *  bits. */

import { greatestInt8, leastInt8, magnitudeMask, rounder } from './constants';
import { ACTIVATION_BYTES, ACTIVATION_GROUP, storeActivations } from './dot';
import { loadSome } from './quads';

/** @param qPtr `[G, T, 32]`, see dot.ts (overwritten) @param scalesPtr float32 `[G, T]`
 *  (overwritten) @param offsetsPtr −8 · Σ q, int32 `[G, T]` (overwritten)
 *  @param xPtr float32 `[T, inFeatures]` */
export function quantizeActivations(
  qPtr: usize,
  scalesPtr: usize,
  offsetsPtr: usize,
  xPtr: usize,
  T: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const nextGroup = T * ACTIVATION_GROUP;
  xPtr += rowStart * inFeatures * 4;
  for (let t = rowStart; t < rowEnd; t++) {
    let q = qPtr + t * ACTIVATION_GROUP;
    let scale = scalesPtr + t * 4;
    let offset = offsetsPtr + t * 4;
    let left = inFeatures;
    for (; left >= 32; left -= 32) {
      store<i32>(offset, -8 * quantizeGroup(q, scale, xPtr));
      q += nextGroup;
      scale += T * 4;
      offset += T * 4;
      xPtr += 128;
    }
    if (left > 0) {
      store<i32>(offset, -8 * quantizePart(q, scale, xPtr, <isize>left));
      xPtr += left * 4;
    }
  }
}

/** |x| as an int32 that is ordered as the numbers are, NaN above all. */
@inline
function magnitude(x: v128): v128 {
  return v128.and(x, magnitudeMask());
}

/** x / scale as integers: the low bits of the quotient + 1.5 · 2²³.
 *  @param divisor the scale, or 1 where it is 0 @param finite see `finiteMask` */
@inline
function quotient(x: v128, divisor: v128, finite: v128): v128 {
  const shifted = f32x4.add(f32x4.div(x, divisor), rounder());
  const q = v128.and(i32x4.sub(shifted, rounder()), finite);
  return i32x4.max_s(i32x4.min_s(q, greatestInt8()), leastInt8());
}

/** All bits where a group holds numbers only, none where NaN or infinity makes all q 0. */
@inline
function finiteMask(amax: i32): v128 {
  return i32x4.splat(amax < 0x7f800000 ? -1 : 0);
}

/** Stores the scale of a group. @returns what to divide by, in all lanes */
@inline
function storeScale(scalePtr: usize, amax: i32): v128 {
  const scale = reinterpret<f32>(amax) / 127;
  store<f32>(scalePtr, scale);
  return f32x4.splat(scale == 0 ? 1 : scale);
}

/** Quantizes 32 elements. @returns Σ q */
@inline
function quantizeGroup(qPtr: usize, scalePtr: usize, xPtr: usize): i32 {
  let most = magnitude(v128.load(xPtr));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 16)));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 32)));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 48)));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 64)));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 80)));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 96)));
  most = i32x4.max_s(most, magnitude(v128.load(xPtr, 112)));
  most = i32x4.max_s(most, v128.shuffle<i64>(most, most, 1, 0));
  const amax = max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1));
  const divisor = storeScale(scalePtr, amax);
  const finite = finiteMask(amax);

  let sums = i32x4.splat(0);
  for (let part: usize = 0; part < 2; part++) {
    const q0 = quotient(v128.load(xPtr), divisor, finite);
    const q1 = quotient(v128.load(xPtr, 16), divisor, finite);
    const q2 = quotient(v128.load(xPtr, 32), divisor, finite);
    const q3 = quotient(v128.load(xPtr, 48), divisor, finite);
    sums = i32x4.add(sums, i32x4.add(i32x4.add(q0, q1), i32x4.add(q2, q3)));
    storeActivations(qPtr, q0, q1, q2, q3);
    xPtr += 64;
    qPtr += 16 * ACTIVATION_BYTES;
  }
  return sumOf(sums);
}

/** The sum of four lanes. */
@inline
function sumOf(x: v128): i32 {
  const pair = i32x4.extract_lane(x, 0) + i32x4.extract_lane(x, 1);
  return pair + i32x4.extract_lane(x, 2) + i32x4.extract_lane(x, 3);
}

/** Quantizes a last group of fewer elements and fills it with zeros. @returns Σ q */
function quantizePart(qPtr: usize, scalePtr: usize, xPtr: usize, count: isize): i32 {
  let amax: i32 = 0;
  for (let i: isize = 0; i < count; i++) {
    amax = max(amax, load<i32>(xPtr + i * 4) & 0x7fffffff);
  }
  const divisor = storeScale(scalePtr, amax);
  const finite = finiteMask(amax);

  const qEnd = qPtr + ACTIVATION_GROUP;
  let sums = i32x4.splat(0);
  for (; qPtr < qEnd; qPtr += 16 * ACTIVATION_BYTES) {
    const q0 = quotient(loadSome(xPtr, count), divisor, finite);
    const q1 = quotient(loadSome(xPtr + 16, count - 4), divisor, finite);
    const q2 = quotient(loadSome(xPtr + 32, count - 8), divisor, finite);
    const q3 = quotient(loadSome(xPtr + 48, count - 12), divisor, finite);
    sums = i32x4.add(sums, i32x4.add(i32x4.add(q0, q1), i32x4.add(q2, q3)));
    storeActivations(qPtr, q0, q1, q2, q3);
    xPtr += 64;
    count -= 16;
  }
  return sumOf(sums);
}
