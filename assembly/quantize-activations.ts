/** Activations as int8, in groups of 32: amax = max |x|, scale = amax / 127, q = x / scale.
 *
 *  Both quotients round to float32; q then rounds to the nearest integer, halves to even, and lies
 *  in −127…127. Where the scale is 0 (amax is 0, or too small for float32 once divided) all q are
 *  0. NaN makes the scale NaN, infinity makes it infinite, and all q 0: products of the two are NaN
 *  either way, and so NaN is not hidden. Σ q is stored for the int4 kernel.
 *
 *      xPtr  | 32 float32 | 32 float32 | … |             one row per token
 *      qPtr  | 32 int8 | 32 int8 | … |                   scales, sums: one each per group
 *
 *  Lanes are four neighbouring elements. A last group of less than 32 elements goes one by one
 *  through the same instructions, the rest of its q being 0. Error: none, the mirror gives the same
 *  bits. */

/** @param qPtr int8 `[T, 32G]` (overwritten) @param scalesPtr float32 `[T, G]` (overwritten)
 *  @param sumsPtr int32 `[T, G]` (overwritten) @param xPtr float32 `[T, inFeatures]` */
export function quantizeActivations(
  qPtr: usize,
  scalesPtr: usize,
  sumsPtr: usize,
  xPtr: usize,
  inFeatures: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const G = (inFeatures + 31) / 32;
  qPtr += rowStart * G * 32;
  scalesPtr += rowStart * G * 4;
  sumsPtr += rowStart * G * 4;
  xPtr += rowStart * inFeatures * 4;
  for (let t = rowStart; t < rowEnd; t++) {
    let left = inFeatures;
    for (; left >= 32; left -= 32) {
      store<i32>(sumsPtr, quantizeGroup(qPtr, scalesPtr, xPtr));
      qPtr += 32;
      scalesPtr += 4;
      sumsPtr += 4;
      xPtr += 128;
    }
    if (left > 0) {
      store<i32>(sumsPtr, quantizePart(qPtr, scalesPtr, xPtr, left));
      qPtr += 32;
      scalesPtr += 4;
      sumsPtr += 4;
      xPtr += left * 4;
    }
  }
}

/** |x| as an int32 that is ordered as the numbers are, NaN above all. */
@inline
function magnitude(x: v128): v128 {
  return v128.and(x, i32x4.splat(0x7fffffff));
}

/** x / scale as integers. @param divisor the scale, or 1 where it is 0 */
@inline
function quotient(x: v128, divisor: v128): v128 {
  const q = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(x, divisor)));
  return i32x4.max_s(i32x4.min_s(q, i32x4.splat(127)), i32x4.splat(-127));
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
  for (let offset: usize = 16; offset < 128; offset += 16) {
    most = i32x4.max_s(most, magnitude(v128.load(xPtr + offset)));
  }
  most = i32x4.max_s(most, v128.shuffle<i64>(most, most, 1, 0));
  const amax = max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1));
  const divisor = storeScale(scalePtr, amax);

  let sums = i32x4.splat(0);
  for (let part: usize = 0; part < 2; part++) {
    const q0 = quotient(v128.load(xPtr), divisor);
    const q1 = quotient(v128.load(xPtr, 16), divisor);
    const q2 = quotient(v128.load(xPtr, 32), divisor);
    const q3 = quotient(v128.load(xPtr, 48), divisor);
    sums = i32x4.add(sums, i32x4.add(i32x4.add(q0, q1), i32x4.add(q2, q3)));
    const low = i16x8.narrow_i32x4_s(q0, q1);
    const high = i16x8.narrow_i32x4_s(q2, q3);
    v128.store(qPtr, i8x16.narrow_i16x8_s(low, high));
    xPtr += 64;
    qPtr += 16;
  }
  const pair = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  return pair + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
}

/** Quantizes a last group of fewer elements and fills it with zeros. @returns Σ q */
function quantizePart(qPtr: usize, scalePtr: usize, xPtr: usize, count: usize): i32 {
  let amax: i32 = 0;
  for (let i: usize = 0; i < count; i++) {
    amax = max(amax, load<i32>(xPtr + i * 4) & 0x7fffffff);
  }
  const divisor = storeScale(scalePtr, amax);

  v128.store(qPtr, i32x4.splat(0));
  v128.store(qPtr, i32x4.splat(0), 16);
  let sum: i32 = 0;
  for (let i: usize = 0; i < count; i++) {
    const q = i32x4.extract_lane(quotient(v128.load32_splat(xPtr + i * 4), divisor), 0);
    store<i8>(qPtr + i, <i8>q);
    sum += q;
  }
  return sum;
}
