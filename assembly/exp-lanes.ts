/** The exponential function of four float32 lanes, step by step src/math/exp32.ts: the same bits
 *  for every pattern.
 *
 *      eˣ = 2ⁿ · eʳ,  n = round(x / ln 2),  r = x − n · ln 2
 *
 *  n is read from the bits of n + 1.5 · 2²³. 2ⁿ is the product of 2^⌊n/2⌋ and 2^(n − ⌊n/2⌋): the
 *  first multiplication is exact, the second rounds once. Error: less than 1 ULP.
 *
 *  The constants are loaded: an engine that builds a vector from an immediate number needs four
 *  instructions for it, as many as there are steps between two constants. */

/** Four times each of the constants, in the order of their use. */
const CONSTANTS = memory.data<f32>(
  [
    90, 90, 90, 90, -105, -105, -105, -105, 1.44269502, 1.44269502, 1.44269502, 1.44269502,
    12582912, 12582912, 12582912, 12582912, 0.693359375, 0.693359375, 0.693359375, 0.693359375,
    -2.1219444e-4, -2.1219444e-4, -2.1219444e-4, -2.1219444e-4,
    1.98756915e-4, 1.98756915e-4, 1.98756915e-4, 1.98756915e-4,
    1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
    8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
    4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
    1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
    5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 1, 1, 1, 1,
  ],
  16,
);

/** eˣ of four float32. */
@inline
export function expLanes(x: v128): v128 {
  // These two let NaN pass.
  const below = f32x4.pmin(x, v128.load(CONSTANTS));
  const bounded = f32x4.pmax(below, v128.load(CONSTANTS, 16));

  // n = round(x / ln 2), as the low bits of n + 1.5 · 2²³
  const rounder = v128.load(CONSTANTS, 48);
  const shifted = f32x4.add(f32x4.mul(bounded, v128.load(CONSTANTS, 32)), rounder);
  const n = f32x4.sub(shifted, rounder);

  // r = x − n · ln 2
  const high = f32x4.sub(bounded, f32x4.mul(n, v128.load(CONSTANTS, 64)));
  const r = f32x4.sub(high, f32x4.mul(n, v128.load(CONSTANTS, 80)));

  // eʳ
  let p = f32x4.add(f32x4.mul(v128.load(CONSTANTS, 96), r), v128.load(CONSTANTS, 112));
  p = f32x4.add(f32x4.mul(p, r), v128.load(CONSTANTS, 128));
  p = f32x4.add(f32x4.mul(p, r), v128.load(CONSTANTS, 144));
  p = f32x4.add(f32x4.mul(p, r), v128.load(CONSTANTS, 160));
  p = f32x4.add(f32x4.mul(p, r), v128.load(CONSTANTS, 176));
  const one = v128.load(CONSTANTS, 192);
  const y = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), one);

  // 2ⁿ in two factors; for NaN they are some finite numbers
  const exponent = i32x4.sub(shifted, rounder);
  const half = i32x4.shr_s(exponent, 1);
  const rest = i32x4.sub(exponent, half);
  const halfPower = i32x4.add(i32x4.shl(half, 23), one); // the bits of 1 are 127 · 2²³
  const restPower = i32x4.add(i32x4.shl(rest, 23), one);
  return f32x4.mul(f32x4.mul(y, halfPower), restPower);
}
