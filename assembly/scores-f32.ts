/** Scores of float32 keys: x[s] = (Σᵢ q[i] · k[s, i]) · scale for the positions of one block.
 *
 *      keys of one head   | 4 groups of [D][16 positions] |     a cache line for each channel
 *
 *  The lanes are neighbouring positions, so a sum runs over i in ascending order in its own lane,
 *  whatever else is computed beside it, and nothing is added across lanes. Memory is read in the
 *  order in which it lies. */

/** One query; scores are written in groups of 16 positions.
 *  @param xPtr `[64]` (overwritten) @param qPtr `[D]` @param keysPtr `[4][D][16]` */
export function scoreOneF32(
  xPtr: usize,
  qPtr: usize,
  keysPtr: usize,
  D: usize,
  positions: usize,
  scale: f32,
): void {
  const scales = f32x4.splat(scale);
  const qEnd = qPtr + D * 4;
  const xEnd = xPtr + positions * 4;
  while (xPtr < xEnd) {
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let q = qPtr; q < qEnd; q += 4) {
      const x = v128.load32_splat(q);
      a = f32x4.add(a, f32x4.mul(x, v128.load(keysPtr)));
      b = f32x4.add(b, f32x4.mul(x, v128.load(keysPtr, 16)));
      c = f32x4.add(c, f32x4.mul(x, v128.load(keysPtr, 32)));
      d = f32x4.add(d, f32x4.mul(x, v128.load(keysPtr, 48)));
      keysPtr += 64;
    }
    v128.store(xPtr, f32x4.mul(a, scales));
    v128.store(xPtr, f32x4.mul(b, scales), 16);
    v128.store(xPtr, f32x4.mul(c, scales), 32);
    v128.store(xPtr, f32x4.mul(d, scales), 48);
    xPtr += 64;
  }
}

/** Four queries, 8 positions at a time; scores are written in groups of 8.
 *  @param xPtr `[64]` of the first query (overwritten), the others every `xStride` bytes
 *  @param tilePtr the queries side by side, `[D][4]` @param keysPtr `[4][D][16]` */
export function scoreFourF32(
  xPtr: usize,
  xStride: usize,
  tilePtr: usize,
  keysPtr: usize,
  D: usize,
  positions: usize,
  scale: f32,
): void {
  const scales = f32x4.splat(scale);
  const tileEnd = tilePtr + D * 16;
  const xEnd = xPtr + positions * 4;
  let half: usize = 0;
  while (xPtr < xEnd) {
    let key = keysPtr + half;
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    for (let tile = tilePtr; tile < tileEnd; tile += 16) {
      const k0 = v128.load(key);
      const k1 = v128.load(key, 16);
      key += 64;
      const q0 = v128.load32_splat(tile);
      a0 = f32x4.add(a0, f32x4.mul(q0, k0));
      b0 = f32x4.add(b0, f32x4.mul(q0, k1));
      const q1 = v128.load32_splat(tile, 4);
      a1 = f32x4.add(a1, f32x4.mul(q1, k0));
      b1 = f32x4.add(b1, f32x4.mul(q1, k1));
      const q2 = v128.load32_splat(tile, 8);
      a2 = f32x4.add(a2, f32x4.mul(q2, k0));
      b2 = f32x4.add(b2, f32x4.mul(q2, k1));
      const q3 = v128.load32_splat(tile, 12);
      a3 = f32x4.add(a3, f32x4.mul(q3, k0));
      b3 = f32x4.add(b3, f32x4.mul(q3, k1));
    }
    storePair(xPtr, a0, b0, scales);
    storePair(xPtr + xStride, a1, b1, scales);
    storePair(xPtr + xStride * 2, a2, b2, scales);
    storePair(xPtr + xStride * 3, a3, b3, scales);
    xPtr += 32;
    // The other half of the lines, then the next group.
    if (half > 0) keysPtr += D * 64;
    half ^= 32;
  }
}

@inline
function storePair(xPtr: usize, a: v128, b: v128, scales: v128): void {
  v128.store(xPtr, f32x4.mul(a, scales));
  v128.store(xPtr, f32x4.mul(b, scales), 16);
}
