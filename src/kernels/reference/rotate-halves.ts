/** Rotary positions in the rotate-half form: channel i of a head is paired with i + D/2, and the
 *  pair (a, b) is turned by the token's angle: (a·cos − b·sin, b·cos + a·sin).
 *
 *  Elementwise, every step rounded to float32. Source: "RoFormer", Su et al. 2021, equation 34,
 *  with the pairing of the published 7B code. */

/** Tokens `rowStart` to `rowEnd`.
 *  @param y `[T, H, D]` (overwritten in those rows) @param x `[T, H, D]` @param cos,sin `[T,
 *  D/2]` */
export function rotateHalves(
  y: Float32Array,
  x: Float32Array,
  cos: Float32Array,
  sin: Float32Array,
  H: number,
  D: number,
  rowStart: number,
  rowEnd: number,
): void {
  const half = D / 2;
  for (let row = rowStart * H; row < rowEnd * H; row++) {
    const angles = Math.floor(row / H) * half;
    for (let i = 0; i < half; i++) {
      const a = x[row * D + i];
      const b = x[row * D + half + i];
      const c = cos[angles + i];
      const s = sin[angles + i];
      y[row * D + i] = Math.fround(a * c) - Math.fround(b * s);
      y[row * D + half + i] = Math.fround(b * c) + Math.fround(a * s);
    }
  }
}
