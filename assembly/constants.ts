/** Vectors that loops keep in registers. They are read from memory before the loop, since compilers
 *  build a constant that stands in the loop anew at every use, with three instructions in V8.
 *
 *  They lie below `heapBase`; every instance over the same memory writes the same bytes there. */

const WORDS = memory.data<u32>(
  [
    // 0: the low nibble of every byte
    0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f, 0x0f0f0f0f,
    // 16: the low nibble of every 16-bit lane
    0x000f000f, 0x000f000f, 0x000f000f, 0x000f000f,
    // 32: sign and exponent and fraction of a float16 after an arithmetic shift right by 3
    0x8fff8fff, 0x8fff8fff, 0x8fff8fff, 0x8fff8fff,
    // 48: 2¹¹² as float32
    0x77800000, 0x77800000, 0x77800000, 0x77800000,
    // 64: −8 as int32
    0xfffffff8, 0xfffffff8, 0xfffffff8, 0xfffffff8,
    // 80: the low nibble of every 32-bit lane
    0x0000000f, 0x0000000f, 0x0000000f, 0x0000000f,
    // 96: the exponent of a float16
    0x7c007c00, 0x7c007c00, 0x7c007c00, 0x7c007c00,
    // 112: the exponent of infinity in the upper half of a float32
    0x7f807f80, 0x7f807f80, 0x7f807f80, 0x7f807f80,
    // 128: the upper half of every 32-bit lane
    0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000,
    // 144: 1.5 · 2²³ as float32
    0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000,
    // 160: 127 and −127 as int32
    0x0000007f, 0x0000007f, 0x0000007f, 0x0000007f,
    0xffffff81, 0xffffff81, 0xffffff81, 0xffffff81,
    // 192: all bits of a float32 but its sign
    0x7fffffff, 0x7fffffff, 0x7fffffff, 0x7fffffff,
  ],
  16,
);

/** Selects one nibble of every element of an operand of `dotAdd`. */
@inline
export function nibbleMask(): v128 {
  return v128.load(WORDS, ASC_FEATURE_RELAXED_SIMD ? 0 : 16);
}

/** For `upperHalves`. */
@inline
export function float16Mask(): v128 {
  return v128.load(WORDS, 32);
}

/** 2¹¹², for `joinLow` and `joinHigh`. */
@inline
export function float16Power(): v128 {
  return v128.load(WORDS, 48);
}

/** −8 in every 32-bit lane. */
@inline
export function minusEight(): v128 {
  return v128.load(WORDS, 64);
}

/** 15 in every 32-bit lane. */
@inline
export function laneNibbleMask(): v128 {
  return v128.load(WORDS, 80);
}

/** For `upperHalves`. */
@inline
export function float16Exponent(): v128 {
  return v128.load(WORDS, 96);
}

/** For `upperHalves`. */
@inline
export function upperExponent(): v128 {
  return v128.load(WORDS, 112);
}

/** The upper half of every 32-bit lane. */
@inline
export function upperHalfMask(): v128 {
  return v128.load(WORDS, 128);
}

/** 1.5 · 2²³: float32 numbers lie one apart there, and their low bits are integers. */
@inline
export function rounder(): v128 {
  return v128.load(WORDS, 144);
}

/** The greatest int8, in every 32-bit lane. */
@inline
export function greatestInt8(): v128 {
  return v128.load(WORDS, 160);
}

/** −127 in every 32-bit lane. */
@inline
export function leastInt8(): v128 {
  return v128.load(WORDS, 176);
}

/** All bits of a float32 but its sign. */
@inline
export function magnitudeMask(): v128 {
  return v128.load(WORDS, 192);
}
