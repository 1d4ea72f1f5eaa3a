/** Widens 16-bit floats to float32, exactly, every bit pattern: y[i] = float32(x[i]).
 *
 *  bfloat16 is the upper half of a float32. binary16 (IEEE 754-2019, 3.4) has a sign, 5 exponent
 *  bits e and 10 fraction bits f: (−1)^s · f · 2⁻²⁴ for e = 0, infinity or NaN for e = 31, else
 *  (−1)^s · (1 + f / 1024) · 2^(e − 15). The fraction of a NaN is kept. Written as bits, since a
 *  NaN that passes through a number may lose them. The mirror of assembly/widen.ts. */

/** The unit of subnormal binary16 numbers, 2⁻²⁴. */
const SUBNORMAL_UNIT = 1 / 16_777_216;

/** Widens bfloat16.
 *  @param y `[count]` (overwritten) @param x bit patterns `[count]` */
export function widenBf16(y: Float32Array, x: Uint16Array, count: number): void {
  const bits = new Uint32Array(y.buffer, y.byteOffset, count);
  for (let i = 0; i < count; i += 1) bits[i] = x[i] << 16;
}

/** Widens binary16.
 *  @param y `[count]` (overwritten) @param x bit patterns `[count]` */
export function widenF16(y: Float32Array, x: Uint16Array, count: number): void {
  const bits = new Uint32Array(y.buffer, y.byteOffset, count);
  for (let i = 0; i < count; i += 1) {
    const sign = x[i] >>> 15;
    const exponent = (x[i] >>> 10) & 31;
    const fraction = x[i] & 1023;
    if (exponent === 0) {
      y[i] = (sign === 1 ? -1 : 1) * fraction * SUBNORMAL_UNIT;
    } else {
      // float32 has the bias 127 instead of 15; infinity and NaN have 255 instead of 31.
      const widened = exponent === 31 ? 255 : exponent - 15 + 127;
      bits[i] = (sign << 31) | (widened << 23) | (fraction << 13);
    }
  }
}

/** Elements `start` to `end` of `widenBf16`.
 *  @param y (overwritten in that range) @param x bit patterns */
export function widenBf16Range(y: Float32Array, x: Uint16Array, start: number, end: number): void {
  widenBf16(y.subarray(start, end), x.subarray(start, end), end - start);
}

/** Elements `start` to `end` of `widenF16`.
 *  @param y (overwritten in that range) @param x bit patterns */
export function widenF16Range(y: Float32Array, x: Uint16Array, start: number, end: number): void {
  widenF16(y.subarray(start, end), x.subarray(start, end), end - start);
}
