/** One row of float32 as int8 with one scale: q = round(x · inverse), half to even, with
 *  scale = max|x| / 127 and inverse = 127 / max|x|, each rounded to float32. Both are 0 where
 *  max|x| < 2⁻¹⁰⁰, whose inverse might not be finite. */

const LEAST: f32 = 7.888609052210118e-31; // 2⁻¹⁰⁰

/** max|x|; NaN when there is one. */
export function greatestMagnitude(xPtr: usize, count: usize): f32 {
  let greatest = f32x4.splat(0);
  const vectorEnd = xPtr + (count & ~3) * 4;
  const end = xPtr + count * 4;
  for (; xPtr < vectorEnd; xPtr += 16) {
    greatest = f32x4.max(greatest, f32x4.abs(v128.load(xPtr)));
  }
  for (; xPtr < end; xPtr += 4) {
    greatest = f32x4.max(greatest, f32x4.abs(v128.load32_splat(xPtr)));
  }
  return max<f32>(
    max<f32>(f32x4.extract_lane(greatest, 0), f32x4.extract_lane(greatest, 1)),
    max<f32>(f32x4.extract_lane(greatest, 2), f32x4.extract_lane(greatest, 3)),
  );
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
