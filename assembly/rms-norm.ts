/** RMSNorm per row: y = x / √(mean(x²) + eps) · weight.
 *
 *  Squares are exact in float64 and are summed there, element i in lane i mod 8:
 *
 *      x     | x0 x1 | x2 x3 | x4 x5 | x6 x7 | x8 …
 *      sums    a0 a1   b0 b1   c0 c1   d0 d1   a0
 *
 *  ((a + b) + (c + d)), lane 0 + lane 1. The products with 1/√ and the weight run in float64 too
 *  and round once, at the store: neither tiny nor huge rows lose bits. Remainder: one element a
 *  step; the squares of the rest join the sum of the lanes in ascending order.
 *  Error: 2⁻²⁴ · |y| (half a unit) and about C · 2⁻⁵³ of it more. Rows do not see each other. */

/** Rows `rowStart` to `rowEnd` of x; y may be x.
 *  @param yPtr `[T, C]` (overwritten in those rows) @param xPtr `[T, C]` @param weightPtr `[C]` */
export function rmsNorm(
  yPtr: usize,
  xPtr: usize,
  weightPtr: usize,
  eps: f64,
  C: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    const row = t * C * 4;
    const squares = sumOfSquares(xPtr + row, C);
    scaleRow(yPtr + row, xPtr + row, weightPtr, C, 1 / sqrt<f64>(squares / <f64>C + eps));
  }
}

function sumOfSquares(xPtr: usize, C: usize): f64 {
  let a = f64x2.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const vectorEnd = xPtr + (C & ~7) * 4;
  const end = xPtr + C * 4;
  for (; xPtr < vectorEnd; xPtr += 32) {
    const x0 = f64x2.promote_low_f32x4(v128.load64_zero(xPtr));
    const x1 = f64x2.promote_low_f32x4(v128.load64_zero(xPtr, 8));
    const x2 = f64x2.promote_low_f32x4(v128.load64_zero(xPtr, 16));
    const x3 = f64x2.promote_low_f32x4(v128.load64_zero(xPtr, 24));
    a = f64x2.add(a, f64x2.mul(x0, x0));
    b = f64x2.add(b, f64x2.mul(x1, x1));
    c = f64x2.add(c, f64x2.mul(x2, x2));
    d = f64x2.add(d, f64x2.mul(x3, x3));
  }
  const lanes = f64x2.add(f64x2.add(a, b), f64x2.add(c, d));
  let sum = f64x2.extract_lane(lanes, 0) + f64x2.extract_lane(lanes, 1);
  for (; xPtr < end; xPtr += 4) {
    const x = <f64>load<f32>(xPtr);
    sum += x * x;
  }
  return sum;
}

/** y = x · factor · weight. */
function scaleRow(yPtr: usize, xPtr: usize, weightPtr: usize, C: usize, factor: f64): void {
  const factors = f64x2.splat(factor);
  const vectorEnd = xPtr + (C & ~3) * 4;
  const end = xPtr + C * 4;
  while (xPtr < vectorEnd) {
    const x0 = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(xPtr)), factors);
    const x1 = f64x2.mul(f64x2.promote_low_f32x4(v128.load64_zero(xPtr, 8)), factors);
    const weight0 = f64x2.promote_low_f32x4(v128.load64_zero(weightPtr));
    const weight1 = f64x2.promote_low_f32x4(v128.load64_zero(weightPtr, 8));
    const y0 = f32x4.demote_f64x2_zero(f64x2.mul(x0, weight0));
    const y1 = f32x4.demote_f64x2_zero(f64x2.mul(x1, weight1));
    v128.store(yPtr, i64x2.shuffle(y0, y1, 0, 2));
    xPtr += 16;
    yPtr += 16;
    weightPtr += 16;
  }
  while (xPtr < end) {
    store<f32>(yPtr, <f32>(<f64>load<f32>(xPtr) * factor * <f64>load<f32>(weightPtr)));
    xPtr += 4;
    yPtr += 4;
    weightPtr += 4;
  }
}
