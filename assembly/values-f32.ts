/** Weighted float32 values of one block: y[i] = y[i] + Σ_s weight[s] · v[s, i].
 *
 *      values of one head   | 64 positions of 32 channels | 64 positions of the next 32 | … |
 *
 *  The last group is as wide as the rest of D. The lanes are channels. Memory is read in the order
 *  in which it lies. The sum over the positions of a block runs in ascending order from 0 and
 *  joins y at its end: two short sums instead of one long one, on a grid anchored at position 0.
 *  It has the same bits for one query as for several, whose positions may end at different places
 *  within the block. */

/** One query, 32 channels at a time; the rest 4, then 1.
 *  @param yPtr `[D]` (overwritten) @param weightsPtr `[n]` @param valuesPtr `[D/32][64][32]` */
export function weighOneF32(
  yPtr: usize,
  weightsPtr: usize,
  valuesPtr: usize,
  D: usize,
  n: usize,
): void {
  const weightsEnd = weightsPtr + n * 4;
  for (; D >= 32; D -= 32) {
    let v = valuesPtr;
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let e = a;
    let f = a;
    let g = a;
    let h = a;
    for (let weight = weightsPtr; weight < weightsEnd; weight += 4) {
      const w = v128.load32_splat(weight);
      a = f32x4.add(a, f32x4.mul(w, v128.load(v)));
      b = f32x4.add(b, f32x4.mul(w, v128.load(v, 16)));
      c = f32x4.add(c, f32x4.mul(w, v128.load(v, 32)));
      d = f32x4.add(d, f32x4.mul(w, v128.load(v, 48)));
      e = f32x4.add(e, f32x4.mul(w, v128.load(v, 64)));
      f = f32x4.add(f, f32x4.mul(w, v128.load(v, 80)));
      g = f32x4.add(g, f32x4.mul(w, v128.load(v, 96)));
      h = f32x4.add(h, f32x4.mul(w, v128.load(v, 112)));
      v += 128;
    }
    addPair(yPtr, a, b);
    addPair(yPtr + 32, c, d);
    addPair(yPtr + 64, e, f);
    addPair(yPtr + 96, g, h);
    yPtr += 128;
    valuesPtr += 64 * 128;
  }
  weighRest(yPtr, weightsPtr, valuesPtr, D * 4, D, n);
}

/** One query, 4 channels at a time, then 1; rows every `stride` bytes. */
function weighRest(
  yPtr: usize,
  weightsPtr: usize,
  valuesPtr: usize,
  stride: usize,
  channels: usize,
  n: usize,
): void {
  const weightsEnd = weightsPtr + n * 4;
  for (; channels >= 4; channels -= 4) {
    let v = valuesPtr;
    let a = f32x4.splat(0);
    for (let weight = weightsPtr; weight < weightsEnd; weight += 4) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(weight), v128.load(v)));
      v += stride;
    }
    v128.store(yPtr, f32x4.add(v128.load(yPtr), a));
    yPtr += 16;
    valuesPtr += 16;
  }
  for (; channels > 0; channels--) {
    let v = valuesPtr;
    let sum: f32 = 0;
    for (let weight = weightsPtr; weight < weightsEnd; weight += 4) {
      sum += load<f32>(weight) * load<f32>(v);
      v += stride;
    }
    store<f32>(yPtr, load<f32>(yPtr) + sum);
    yPtr += 4;
    valuesPtr += 4;
  }
}

/** Four queries, 8 channels at a time; the rest one query after the other. Query j sums its first
 *  `nj` positions, the first `shared` of them together with the others.
 *  @param yPtr `[D]` of the first query (overwritten), the others every `yStride` bytes
 *  @param weightsPtr of the first query, the others every `weightsStride` bytes
 *  @param valuesPtr `[D/32][64][32]` */
export function weighFourF32(
  yPtr: usize,
  yStride: usize,
  weightsPtr: usize,
  weightsStride: usize,
  valuesPtr: usize,
  D: usize,
  shared: usize,
  n0: usize,
  n1: usize,
  n2: usize,
  n3: usize,
): void {
  const w1 = weightsPtr + weightsStride;
  const w2 = w1 + weightsStride;
  const w3 = w2 + weightsStride;
  const sharedBytes = shared * 4;
  for (let i: usize = 0; i < D; i += 8) {
    const group = i & ~31;
    const stride = min<usize>(D - group, 32) * 4;
    const values = valuesPtr + group * 256 + (i - group) * 4;
    const y0 = yPtr + i * 4;
    const y1 = y0 + yStride;
    const y2 = y1 + yStride;
    const y3 = y2 + yStride;
    if (i + 8 > D) {
      weighRest(y0, weightsPtr, values, stride, D - i, n0);
      weighRest(y1, w1, values, stride, D - i, n1);
      weighRest(y2, w2, values, stride, D - i, n2);
      weighRest(y3, w3, values, stride, D - i, n3);
      return;
    }
    let v = values;
    let a0 = f32x4.splat(0);
    let a1 = a0;
    let a2 = a0;
    let a3 = a0;
    let b0 = a0;
    let b1 = a0;
    let b2 = a0;
    let b3 = a0;
    for (let s: usize = 0; s < sharedBytes; s += 4) {
      const v0 = v128.load(v);
      const v1 = v128.load(v, 16);
      v += stride;
      const p0 = v128.load32_splat(weightsPtr + s);
      a0 = f32x4.add(a0, f32x4.mul(p0, v0));
      b0 = f32x4.add(b0, f32x4.mul(p0, v1));
      const p1 = v128.load32_splat(w1 + s);
      a1 = f32x4.add(a1, f32x4.mul(p1, v0));
      b1 = f32x4.add(b1, f32x4.mul(p1, v1));
      const p2 = v128.load32_splat(w2 + s);
      a2 = f32x4.add(a2, f32x4.mul(p2, v0));
      b2 = f32x4.add(b2, f32x4.mul(p2, v1));
      const p3 = v128.load32_splat(w3 + s);
      a3 = f32x4.add(a3, f32x4.mul(p3, v0));
      b3 = f32x4.add(b3, f32x4.mul(p3, v1));
    }
    addRest(y0, weightsPtr, values, stride, shared, n0, a0, b0);
    addRest(y1, w1, values, stride, shared, n1, a1, b1);
    addRest(y2, w2, values, stride, shared, n2, a2, b2);
    addRest(y3, w3, values, stride, shared, n3, a3, b3);
  }
}

/** Goes on with the positions `start` to `end` of one query, and adds its 8 channels to y. */
@inline
function addRest(
  yPtr: usize,
  weightsPtr: usize,
  valuesPtr: usize,
  stride: usize,
  start: usize,
  end: usize,
  a: v128,
  b: v128,
): void {
  for (let s = start; s < end; s++) {
    const w = v128.load32_splat(weightsPtr + s * 4);
    a = f32x4.add(a, f32x4.mul(w, v128.load(valuesPtr + s * stride)));
    b = f32x4.add(b, f32x4.mul(w, v128.load(valuesPtr + s * stride, 16)));
  }
  addPair(yPtr, a, b);
}

@inline
function addPair(yPtr: usize, a: v128, b: v128): void {
  v128.store(yPtr, f32x4.add(v128.load(yPtr), a));
  v128.store(yPtr, f32x4.add(v128.load(yPtr, 16), b), 16);
}
