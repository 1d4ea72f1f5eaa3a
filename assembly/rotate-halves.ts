/** Rotary positions in the rotate-half form: channel i of a head is paired with i + D/2, and the
 *  pair (a, b) is turned by the token's angle: (a·cos − b·sin, b·cos + a·sin).
 *
 *      x of one head  | a0 a1 a2 a3 … | b0 b1 b2 b3 … |     D/2 channels each
 *      cos, sin       | c0 c1 c2 c3 … |                     one row for all heads of a token
 *
 *  Lanes: four pairs a step, both halves loaded before either is stored. Remainder: one pair a
 *  step. Error: none; every product and sum is rounded as in the mirror. D is even. */

/** Tokens `rowStart` to `rowEnd`; y may be x.
 *  @param yPtr `[T, H, D]` (overwritten in those rows) @param xPtr `[T, H, D]`
 *  @param cosPtr,sinPtr `[T, D/2]` */
export function rotateHalves(
  yPtr: usize,
  xPtr: usize,
  cosPtr: usize,
  sinPtr: usize,
  H: usize,
  D: usize,
  rowStart: usize,
  rowEnd: usize,
): void {
  const halfBytes = (D >> 1) * 4;
  const vectorBytes = halfBytes & ~15;
  for (let t = rowStart; t < rowEnd; t++) {
    const cosRow = cosPtr + t * halfBytes;
    const sinRow = sinPtr + t * halfBytes;
    for (let h: usize = 0; h < H; h++) {
      const x = xPtr + (t * H + h) * D * 4;
      const y = yPtr + (t * H + h) * D * 4;
      let i: usize = 0;
      for (; i < vectorBytes; i += 16) {
        const a = v128.load(x + i);
        const b = v128.load(x + halfBytes + i);
        const c = v128.load(cosRow + i);
        const s = v128.load(sinRow + i);
        v128.store(y + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(y + halfBytes + i, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
      for (; i < halfBytes; i += 4) {
        const a = load<f32>(x + i);
        const b = load<f32>(x + halfBytes + i);
        const c = load<f32>(cosRow + i);
        const s = load<f32>(sinRow + i);
        store<f32>(y + i, a * c - b * s);
        store<f32>(y + halfBytes + i, b * c + a * s);
      }
    }
  }
}
