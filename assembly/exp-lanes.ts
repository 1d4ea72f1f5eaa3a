/** The exponential function of four float32 lanes, step by step src/math/exp32.ts: the same bits for
 *  every pattern.
 *
 *      eˣ = 2ⁿ · eʳ,  n = round(x / ln 2),  r = x − n · ln 2
 *
 *  n is read from the bits of n + 1.5 · 2²³. 2ⁿ is the product of 2^⌊n/2⌋ and 2^(n − ⌊n/2⌋): the
 *  first multiplication is exact, the second rounds once. Error: less than 1 ULP. */

/** eˣ of four float32. */
@inline
export function expLanes(x: v128): v128 {
  const bounded = f32x4.max(f32x4.splat(-105), f32x4.min(f32x4.splat(90), x));

  // n = round(x / ln 2), as the low bits of n + 1.5 · 2²³
  const rounder = f32x4.splat(12582912);
  const shifted = f32x4.add(f32x4.mul(bounded, f32x4.splat(1.44269502)), rounder);
  const n = f32x4.sub(shifted, rounder);

  // r = x − n · ln 2
  const high = f32x4.sub(bounded, f32x4.mul(n, f32x4.splat(0.693359375)));
  const r = f32x4.sub(high, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));

  // eʳ
  let p = f32x4.add(f32x4.mul(f32x4.splat(1.98756915e-4), r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  const squared = f32x4.mul(r, r);
  const y = f32x4.add(f32x4.add(f32x4.mul(p, squared), r), f32x4.splat(1));

  // 2ⁿ in two factors; for NaN they are some finite numbers
  const exponent = i32x4.sub(shifted, i32x4.splat(0x4b400000)); // 1.5 · 2²³
  const half = i32x4.shr_s(exponent, 1);
  const rest = i32x4.sub(exponent, half);
  const bias = i32x4.splat(127);
  const halfPower = i32x4.shl(i32x4.add(half, bias), 23);
  const restPower = i32x4.shl(i32x4.add(rest, bias), 23);
  return f32x4.mul(f32x4.mul(y, halfPower), restPower);
}
