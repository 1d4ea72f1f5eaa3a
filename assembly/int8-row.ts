/** One row of float32 as int8 with one scale: q = round(x · inverse), half to even, with
 *  scale = max|x| / 127 and inverse = 127 / max|x|, each rounded to float32. Both are 0 where
 *  max|x| < 2⁻¹⁰⁰, whose inverse might not be finite. */

const LEAST: f32 = 7.888609052210118e-31; // 2⁻¹⁰⁰

/** max|x|; NaN when there is one: as an integer its pattern is greater than that of a number. */
export function greatestMagnitude(xPtr: usize, count: usize): f32 {
  let greatest = i32x4.splat(0);
  const vectorEnd = xPtr + (count & ~3) * 4;
  const end = xPtr + count * 4;
  for (; xPtr < vectorEnd; xPtr += 16) {
    greatest = i32x4.max_s(greatest, f32x4.abs(v128.load(xPtr)));
  }
  for (; xPtr < end; xPtr += 4) {
    greatest = i32x4.max_s(greatest, f32x4.abs(v128.load32_splat(xPtr)));
  }
  return greatestLane(greatest);
}

/** The greatest of four numbers that are not negative, or NaN. */
@inline
export function greatestLane(x: v128): f32 {
  const pairs = i32x4.max_s(x, i32x4.shuffle(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(i32x4.max_s(pairs, i32x4.shuffle(pairs, pairs, 1, 0, 3, 2)), 0);
}

export function int8Scale(greatest: f32): f32 {
  return greatest < LEAST ? 0 : greatest / 127;
}

export function int8Inverse(greatest: f32): f32 {
  return greatest < LEAST ? 0 : 127 / greatest;
}

/** Four elements as int8 in the lowest four bytes; those from `left` on are 0. NaN gives 0. */
export function quantizeLanes(xPtr: usize, left: usize, inverse: f32): v128 {
  let x = f32x4.splat(0);
  if (left >= 4) {
    x = v128.load(xPtr);
  } else {
    x = v128.load_lane<f32>(xPtr, x, 0);
    if (left > 1) x = v128.load_lane<f32>(xPtr, x, 1, 4);
    if (left > 2) x = v128.load_lane<f32>(xPtr, x, 2, 8);
  }
  const rounded = f32x4.nearest(f32x4.mul(x, f32x4.splat(inverse)));
  const q = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(rounded), i32x4.splat(0));
  return i8x16.narrow_i16x8_s(q, q);
}
