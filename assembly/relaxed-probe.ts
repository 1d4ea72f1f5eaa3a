/** A module of its own that shows what an engine makes of the one relaxed operation we use:
 *  `i32x4.relaxed_dot_i8x16_i7x16_add_s`, per lane c + Σᵢ₌₀…₃ aᵢ · bᵢ with signed bytes a and bytes
 *  b of 0…127. `chooseSimd` compares the results with the same sums in scalars.
 *
 *  An engine may choose other instructions for constants, for loaded operands, and where the sum
 *  overwrites an operand that is used again, so each of these has its place:
 *
 *      ptr | a 16 B | b 16 B | c 16 B | c + a·b | constants | c + 2 a·b, plus a as words |
 *          0        16       32       48        64          80                          96 */

/** @param ptr operands a, b, c; three results of 16 bytes each follow them (overwritten) */
export function probe(ptr: usize): void {
  const a = v128.load(ptr);
  const b = v128.load(ptr, 16);
  const c = v128.load(ptr, 32);
  v128.store(ptr, i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, c), 48);

  const constants = i32x4.relaxed_dot_i8x16_i7x16_add_s(
    i8x16(-128, -128, -128, -128, 127, 127, 127, 127, -1, 2, -3, 4, -128, 0, 127, -127),
    i8x16(127, 127, 127, 127, 127, 127, 127, 127, 5, 6, 7, 8, 1, 2, 3, 4),
    i32x4(1000, -1000, 70000, -8),
  );
  v128.store(ptr, constants, 64);

  const once = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, c);
  const twice = i32x4.relaxed_dot_i8x16_i7x16_add_s(a, b, once);
  v128.store(ptr, i32x4.add(twice, a), 80);
}
