/** What the machine can do at most, for the kernel bench; not part of the kernels. */

/** Reads memory as fast as it comes. @param bytes a multiple of 128
 *  @returns a value that depends on every byte */
export function readSum(ptr: usize, bytes: usize): i32 {
  let a = i32x4.splat(0), b = a, c = a, d = a;
  const end = ptr + bytes;
  while (ptr < end) {
    a = v128.xor(a, v128.load(ptr));
    b = v128.xor(b, v128.load(ptr, 16));
    c = v128.xor(c, v128.load(ptr, 32));
    d = v128.xor(d, v128.load(ptr, 48));
    a = v128.xor(a, v128.load(ptr, 64));
    b = v128.xor(b, v128.load(ptr, 80));
    c = v128.xor(c, v128.load(ptr, 96));
    d = v128.xor(d, v128.load(ptr, 112));
    ptr += 128;
  }
  return i32x4.extract_lane(i32x4.add(i32x4.add(a, b), i32x4.add(c, d)), 0);
}
