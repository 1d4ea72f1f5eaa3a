/** Rounding of float32 to 16 bits, to nearest and ties to even, as PyTorch casts. */

/** The bits of the nearest bfloat16. */
export function bfloat16Bits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The bits of the nearest float16 of a number in its range. */
export function float16Bits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Exponents below −14 are subnormal and share their step.
  const exponent = Math.max(-14, Math.floor(Math.log2(size || 2 ** -14)));
  const step = 2 ** (exponent - 10);
  const count = roundToEven(size / step);
  // A count of 2048 is the first of the next exponent, whose bits follow.
  return sign + (exponent === -14 ? count : (exponent + 15) * 1024 + count - 1024);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
