/** The three passes of softmax over one row: maximum, exponentials with their sum, quotients. The
 *  kernels softmax and attention are made of them; softmax.ts has the order of the sum.
 *
 *  Every pass takes any length: rows need no padding, and nothing is stored behind them. */

import { expLanes } from './exp-lanes';

/** The greatest element. NaN may be passed over: its exponential is NaN whatever the maximum. */
export function maxRow(xPtr: usize, count: usize): f32 {
  let max = f32x4.splat(-Infinity);
  const vectorEnd = xPtr + (count & ~3) * 4;
  const end = xPtr + count * 4;
  for (; xPtr < vectorEnd; xPtr += 16) max = f32x4.pmax(max, v128.load(xPtr));
  for (; xPtr < end; xPtr += 4) max = f32x4.pmax(max, v128.load32_splat(xPtr));
  return maxLanes(max);
}

/** The greatest of four lanes. */
@inline
export function maxLanes(x: v128): f32 {
  return max<f32>(
    max<f32>(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max<f32>(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

/** y[i] = e^(x[i] − max); y may be x.
 *  @returns the sum of y */
export function expRow(yPtr: usize, xPtr: usize, count: usize, max: f32): f64 {
  const maxima = f32x4.splat(max);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const vectorEnd = xPtr + (count & ~3) * 4;
  for (; xPtr < vectorEnd; xPtr += 16) {
    const y = expLanes(f32x4.sub(v128.load(xPtr), maxima));
    v128.store(yPtr, y);
    low = f64x2.add(low, f64x2.promote_low_f32x4(y));
    high = f64x2.add(high, f64x2.promote_low_f32x4(upperHalf(y)));
    yPtr += 16;
  }
  const rest = count & 3;
  if (rest > 0) {
    let x = f32x4.splat(-Infinity);
    x = v128.load_lane<f32>(xPtr, x, 0);
    if (rest > 1) x = v128.load_lane<f32>(xPtr + 4, x, 1);
    if (rest > 2) x = v128.load_lane<f32>(xPtr + 8, x, 2);
    const y = expLanes(f32x4.sub(x, maxima));
    v128.store_lane<f32>(yPtr, y, 0);
    if (rest > 1) v128.store_lane<f32>(yPtr + 4, y, 1);
    if (rest > 2) v128.store_lane<f32>(yPtr + 8, y, 2);
    low = f64x2.add(low, f64x2.promote_low_f32x4(y));
    high = f64x2.add(high, f64x2.promote_low_f32x4(upperHalf(y)));
  }
  const lowSum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  return lowSum + (f64x2.extract_lane(high, 0) + f64x2.extract_lane(high, 1));
}

/** The same in place over 64 elements of a longer row, whose sum is gathered in memory.
 *  @param sumsPtr float64 `[4]`, one for each lane (added to) @returns whether any is not 0 */
export function expBlock(xPtr: usize, max: f32, sumsPtr: usize): bool {
  const maxima = f32x4.splat(max);
  let low = v128.load(sumsPtr);
  let high = v128.load(sumsPtr, 16);
  let bits = i32x4.splat(0);
  for (const end = xPtr + 256; xPtr < end; xPtr += 16) {
    const y = expLanes(f32x4.sub(v128.load(xPtr), maxima));
    v128.store(xPtr, y);
    bits = v128.or(bits, y);
    low = f64x2.add(low, f64x2.promote_low_f32x4(y));
    high = f64x2.add(high, f64x2.promote_low_f32x4(upperHalf(y)));
  }
  v128.store(sumsPtr, low);
  v128.store(sumsPtr, high, 16);
  return v128.any_true(bits);
}

/** The four sums of `expBlock` as one. */
export function sumOfLanes(sumsPtr: usize): f32 {
  const low = load<f64>(sumsPtr) + load<f64>(sumsPtr, 8);
  return <f32>(low + (load<f64>(sumsPtr, 16) + load<f64>(sumsPtr, 24)));
}

/** y[i] = x[i] / divisor; y may be x. */
export function divideRow(yPtr: usize, xPtr: usize, count: usize, divisor: f32): void {
  const divisors = f32x4.splat(divisor);
  const vectorEnd = xPtr + (count & ~3) * 4;
  const end = xPtr + count * 4;
  for (; xPtr < vectorEnd; xPtr += 16) {
    v128.store(yPtr, f32x4.div(v128.load(xPtr), divisors));
    yPtr += 16;
  }
  for (; xPtr < end; xPtr += 4) {
    store<f32>(yPtr, load<f32>(xPtr) / divisor);
    yPtr += 4;
  }
}

/** Lanes 2 and 3 in the places of 0 and 1. */
@inline
function upperHalf(x: v128): v128 {
  return i64x2.shuffle(x, x, 1, 1);
}
