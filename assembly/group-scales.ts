/** The scales of groups of up to 32 float32 weights, of four rows at once: of least squared error
 *  among three candidates. src/quantize/grouped.ts has the reasons; the arithmetic, and so every
 *  bit, is the same.
 *
 *  Each candidate maps the weight of greatest magnitude to a divisor c, q = clamp(round(w · c /
 *  max)); the gain (Σwq)² / Σqq decides, and the scale is Σwq / Σqq.
 *
 *      xPtr            | k k+1 k+2 k+3 | …      row 0        tiles of 4 × 4 are transposed:
 *      xPtr + rowBytes | k k+1 k+2 k+3 | …      row 1        lanes are rows, and every sum runs
 *      …                                        … 3          over k in ascending order
 *
 *  Remainder: past `count` columns and `rows` rows nothing is read, and zeros stand there. Error:
 *  none against the mirror. */

import { loadSome } from './quads';

/** Below this magnitude every scale rounds to 0, and its reciprocal might overflow: 2⁻¹⁰⁰. */
const LEAST_MAGNITUDE: f32 = reinterpret<f32>(0x0d800000);

/** Scales of int4, one for each row, before they are rounded to float16.
 *  @param xPtr float32 of row 0 @param rows 0 to 4; the others are zeros
 *  @param count columns; 32 stands for all of more
 *  @returns float32 `[4]`: NaN for a row that holds NaN or infinity, 0 for zeros */
export function int4Scales(xPtr: usize, rowBytes: usize, rows: isize, count: isize): v128 {
  return scales(xPtr, rowBytes, rows, count, true, -8, -8.49, -7.25);
}

/** Scales of int8, likewise; none is negative. */
export function int8Scales(xPtr: usize, rowBytes: usize, rows: isize, count: isize): v128 {
  return scales(xPtr, rowBytes, rows, count, false, 127, 126, 125);
}

/** @param isInt4 whether the range is −8 … 7, where the sign of the extreme counts and the first
 *  two candidates have to be clipped at 7 */
@inline
function scales(
  xPtr: usize, rowBytes: usize, rows: isize, count: isize,
  isInt4: bool, divisor0: f32, divisor1: f32, divisor2: f32,
): v128 {
  const end = min<isize>(count, 32);
  const extreme = extremes(xPtr, rowBytes, rows, end, isInt4);
  const inverse0 = f32x4.div(f32x4.splat(divisor0), extreme);
  const inverse1 = f32x4.div(f32x4.splat(divisor1), extreme);
  const inverse2 = f32x4.div(f32x4.splat(divisor2), extreme);

  const zero = f32x4.splat(0);
  let wq0 = zero, wq1 = zero, wq2 = zero;
  let qq0 = zero, qq1 = zero, qq2 = zero;
  for (let k: isize = 0; k < end; k += 4) {
    const isWhole = rows >= 4 && k + 4 <= end;
    const tilePtr = xPtr + k * 4;
    const x0 = loadTileRow(tilePtr, isWhole, rows > 0 ? end - k : 0);
    const x1 = loadTileRow(tilePtr + rowBytes, isWhole, rows > 1 ? end - k : 0);
    const x2 = loadTileRow(tilePtr + 2 * rowBytes, isWhole, rows > 2 ? end - k : 0);
    const x3 = loadTileRow(tilePtr + 3 * rowBytes, isWhole, rows > 3 ? end - k : 0);
    const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
    const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
    const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
    const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);

    let w = v128.shuffle<i64>(low01, low23, 0, 2);
    let q = roundTo(w, inverse0, isInt4);
    wq0 = f32x4.add(wq0, f32x4.mul(w, q));
    qq0 = f32x4.add(qq0, f32x4.mul(q, q));
    q = roundTo(w, inverse1, isInt4);
    wq1 = f32x4.add(wq1, f32x4.mul(w, q));
    qq1 = f32x4.add(qq1, f32x4.mul(q, q));
    q = roundTo(w, inverse2, false);
    wq2 = f32x4.add(wq2, f32x4.mul(w, q));
    qq2 = f32x4.add(qq2, f32x4.mul(q, q));

    w = v128.shuffle<i64>(low01, low23, 1, 3);
    q = roundTo(w, inverse0, isInt4);
    wq0 = f32x4.add(wq0, f32x4.mul(w, q));
    qq0 = f32x4.add(qq0, f32x4.mul(q, q));
    q = roundTo(w, inverse1, isInt4);
    wq1 = f32x4.add(wq1, f32x4.mul(w, q));
    qq1 = f32x4.add(qq1, f32x4.mul(q, q));
    q = roundTo(w, inverse2, false);
    wq2 = f32x4.add(wq2, f32x4.mul(w, q));
    qq2 = f32x4.add(qq2, f32x4.mul(q, q));

    w = v128.shuffle<i64>(high01, high23, 0, 2);
    q = roundTo(w, inverse0, isInt4);
    wq0 = f32x4.add(wq0, f32x4.mul(w, q));
    qq0 = f32x4.add(qq0, f32x4.mul(q, q));
    q = roundTo(w, inverse1, isInt4);
    wq1 = f32x4.add(wq1, f32x4.mul(w, q));
    qq1 = f32x4.add(qq1, f32x4.mul(q, q));
    q = roundTo(w, inverse2, false);
    wq2 = f32x4.add(wq2, f32x4.mul(w, q));
    qq2 = f32x4.add(qq2, f32x4.mul(q, q));

    w = v128.shuffle<i64>(high01, high23, 1, 3);
    q = roundTo(w, inverse0, isInt4);
    wq0 = f32x4.add(wq0, f32x4.mul(w, q));
    qq0 = f32x4.add(qq0, f32x4.mul(q, q));
    q = roundTo(w, inverse1, isInt4);
    wq1 = f32x4.add(wq1, f32x4.mul(w, q));
    qq1 = f32x4.add(qq1, f32x4.mul(q, q));
    q = roundTo(w, inverse2, false);
    wq2 = f32x4.add(wq2, f32x4.mul(w, q));
    qq2 = f32x4.add(qq2, f32x4.mul(q, q));
  }

  let scale = f32x4.div(wq0, qq0);
  let gain = f32x4.div(f32x4.mul(wq0, wq0), qq0);
  const gain1 = f32x4.div(f32x4.mul(wq1, wq1), qq1);
  let isBetter = f32x4.gt(gain1, gain);
  scale = v128.bitselect(f32x4.div(wq1, qq1), scale, isBetter);
  gain = v128.bitselect(gain1, gain, isBetter);
  isBetter = f32x4.gt(f32x4.div(f32x4.mul(wq2, wq2), qq2), gain);
  scale = v128.bitselect(f32x4.div(wq2, qq2), scale, isBetter);

  const isUsual = f32x4.ge(f32x4.abs(extreme), f32x4.splat(LEAST_MAGNITUDE));
  if (i32x4.all_true(isUsual)) return scale;
  // Only NaN among zeros is worth telling apart: the sum of x · 0 is NaN for it, else 0.
  let nothing = zero;
  for (let k: isize = 0; k < end; k++) {
    const ptr = xPtr + k * 4;
    let x = zero;
    if (rows > 0) x = f32x4.replace_lane(x, 0, load<f32>(ptr));
    if (rows > 1) x = f32x4.replace_lane(x, 1, load<f32>(ptr + rowBytes));
    if (rows > 2) x = f32x4.replace_lane(x, 2, load<f32>(ptr + 2 * rowBytes));
    if (rows > 3) x = f32x4.replace_lane(x, 3, load<f32>(ptr + 3 * rowBytes));
    nothing = f32x4.add(nothing, f32x4.mul(x, zero));
  }
  return v128.bitselect(scale, nothing, isUsual);
}

/** The weight of greatest magnitude of every row, with its sign for int4; a NaN is passed over.
 *  @returns float32 `[4]` */
@inline
function extremes(
  xPtr: usize, rowBytes: usize, rows: isize, end: isize, isInt4: bool,
): v128 {
  const zero = f32x4.splat(0);
  let greatest0 = zero, greatest1 = zero, greatest2 = zero, greatest3 = zero;
  let least0 = zero, least1 = zero, least2 = zero, least3 = zero;
  for (let k: isize = 0; k < end; k += 4) {
    const isWhole = rows >= 4 && k + 4 <= end;
    const tilePtr = xPtr + k * 4;
    const x0 = loadTileRow(tilePtr, isWhole, rows > 0 ? end - k : 0);
    const x1 = loadTileRow(tilePtr + rowBytes, isWhole, rows > 1 ? end - k : 0);
    const x2 = loadTileRow(tilePtr + 2 * rowBytes, isWhole, rows > 2 ? end - k : 0);
    const x3 = loadTileRow(tilePtr + 3 * rowBytes, isWhole, rows > 3 ? end - k : 0);
    greatest0 = f32x4.pmax(greatest0, x0);
    greatest1 = f32x4.pmax(greatest1, x1);
    greatest2 = f32x4.pmax(greatest2, x2);
    greatest3 = f32x4.pmax(greatest3, x3);
    least0 = f32x4.pmin(least0, x0);
    least1 = f32x4.pmin(least1, x1);
    least2 = f32x4.pmin(least2, x2);
    least3 = f32x4.pmin(least3, x3);
  }
  const greatest = greatestOfRows(greatest0, greatest1, greatest2, greatest3);
  const depth = greatestOfRows(
    f32x4.neg(least0), f32x4.neg(least1), f32x4.neg(least2), f32x4.neg(least3),
  );
  const magnitude = f32x4.pmax(greatest, depth);
  if (!isInt4) return magnitude;
  return v128.bitselect(f32x4.neg(depth), greatest, f32x4.le(greatest, depth));
}

/** The greatest lane of each of four vectors. */
@inline
function greatestOfRows(x0: v128, x1: v128, x2: v128, x3: v128): v128 {
  const pairs01 = f32x4.pmax(
    v128.shuffle<i32>(x0, x1, 0, 4, 1, 5),
    v128.shuffle<i32>(x0, x1, 2, 6, 3, 7),
  );
  const pairs23 = f32x4.pmax(
    v128.shuffle<i32>(x2, x3, 0, 4, 1, 5),
    v128.shuffle<i32>(x2, x3, 2, 6, 3, 7),
  );
  return f32x4.pmax(
    v128.shuffle<i64>(pairs01, pairs23, 0, 2),
    v128.shuffle<i64>(pairs01, pairs23, 1, 3),
  );
}

/** Four columns of a row.
 *  @param isWhole whether the whole tile exists @param count how many columns exist otherwise */
@inline
function loadTileRow(xPtr: usize, isWhole: bool, count: isize): v128 {
  return isWhole ? v128.load(xPtr) : loadSome(xPtr, count);
}

/** The integers of a candidate, as float32; at most 7 if they would pass that. */
@inline
function roundTo(w: v128, inverse: v128, clips: bool): v128 {
  const scaled = f32x4.mul(w, inverse);
  return f32x4.nearest(clips ? f32x4.pmin(scaled, f32x4.splat(7)) : scaled);
}
