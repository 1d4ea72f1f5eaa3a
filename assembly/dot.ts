/** Sums of products of small integers, four elements a 32-bit lane: the one place where the two
 *  builds of the kernels differ. Both are exact, so both give the same bits.
 *
 *  Relaxed build: one instruction adds the four products of a lane; one of its operands must be
 *  in 0…127. Baseline build: elements are split into 16-bit pairs, `even` (k₀, k₂) and `odd`
 *  (k₁, k₃), and each pair takes a multiplication and an addition; odd ones are used there only.
 *
 *  Quantized activations lie in memory as their build wants them, so that no product has to split
 *  them again; four elements, k₀ being a multiple of 4:
 *
 *      relaxed   | k₀ | k₁ | k₂ | k₃ |             int8
 *      baseline  | k₀ | k₂ | k₁ | k₃ |             int16 */

/** Bytes of a quantized activation. */
export const ACTIVATION_BYTES: usize = ASC_FEATURE_RELAXED_SIMD ? 1 : 2;

/** Bytes of the quantized activations of a group. */
export const ACTIVATION_GROUP: usize = 32 * ACTIVATION_BYTES;

/** Stores sixteen quantized activations. @param q0,q1,q2,q3 int32, four each */
@inline
export function storeActivations(qPtr: usize, q0: v128, q1: v128, q2: v128, q3: v128): void {
  const low = i16x8.narrow_i32x4_s(q0, q1);
  const high = i16x8.narrow_i32x4_s(q2, q3);
  if (ASC_FEATURE_RELAXED_SIMD) {
    v128.store(qPtr, i8x16.narrow_i16x8_s(low, high));
  } else {
    v128.store(qPtr, v128.shuffle<i16>(low, low, 0, 2, 1, 3, 4, 6, 5, 7));
    v128.store(qPtr, v128.shuffle<i16>(high, high, 0, 2, 1, 3, 4, 6, 5, 7), 16);
  }
}

/** Activations k₀ and k₂ in all lanes, or all four in the relaxed build. */
@inline
export function evenActivations(qPtr: usize): v128 {
  return v128.load32_splat(qPtr);
}

/** Activations k₁ and k₃ in all lanes. @param even stands for them in the relaxed build */
@inline
export function oddActivations(qPtr: usize, even: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? even : v128.load32_splat(qPtr, 4);
}

/** Σ a·w over a lane, added to c.
 *  @param aEven,aOdd `evenActivations` and `oddActivations`
 *  @param wEven,wOdd elements of 0…127: in the relaxed build all four, and nothing */
@inline
export function dotAdd(aEven: v128, aOdd: v128, wEven: v128, wOdd: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(aEven, wEven, c);
  c = i32x4.add(c, i32x4.dot_i16x8_s(aEven, wEven));
  return i32x4.add(c, i32x4.dot_i16x8_s(aOdd, wOdd));
}

/** Low nibbles of elements k₀ and k₂, or of all four. @param mask `nibbleMask()` */
@inline
export function lowEven(x: v128, mask: v128): v128 {
  return v128.and(x, mask);
}

/** Low nibbles of elements k₁ and k₃. @param mask `nibbleMask()` */
@inline
export function lowOdd(x: v128, mask: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? x : v128.and(i16x8.shr_u(x, 8), mask);
}

/** High nibbles of elements k₀ and k₂, or of all four. @param mask `nibbleMask()` */
@inline
export function highEven(x: v128, mask: v128): v128 {
  return v128.and(i16x8.shr_u(x, 4), mask);
}

/** High nibbles of elements k₁ and k₃. */
@inline
export function highOdd(x: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? x : i16x8.shr_u(x, 12);
}

/* Two signed operands: the sum is split into two that each fit one instruction. Relaxed build:
 * a·w = max(a, 0)·w − max(−a, 0)·w. Baseline build: the pairs of even and those of odd elements. */

/** Signed elements k₀ and k₂ as 16 bits; in the relaxed build all four as they are. */
@inline
export function even(x: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? x : i16x8.shr_s(i16x8.shl(x, 8), 8);
}

/** Signed elements k₁ and k₃ as 16 bits; in the relaxed build all four as they are. */
@inline
export function odd(x: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? x : i16x8.shr_s(x, 8);
}

/** The activations of the first sum, in all lanes. @param a `evenActivations` */
@inline
export function firstPart(a: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.max_s(a, i8x16.splat(0)) : a;
}

/** The activations of the second sum, in all lanes. @param first `firstPart(a)` */
@inline
export function secondPart(qPtr: usize, a: v128, first: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.sub(first, a) : v128.load32_splat(qPtr, 4);
}

/** One of the two sums.
 *  @param w `even(w)` for the first, `odd(w)` for the second @param part `firstPart` or
 *  `secondPart` */
@inline
export function partialDotAdd(w: v128, part: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, part, c);
  return i32x4.add(c, i32x4.dot_i16x8_s(w, part));
}

/** Σ a·w of the two sums. */
@inline
export function joinParts(first: v128, second: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.sub(first, second) : i32x4.add(first, second);
}
