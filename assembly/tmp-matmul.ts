@inline function wAt(kind: i32, p: usize): f32 {
  if (kind == 0) return load<f32>(p);
  if (kind == 1) return reinterpret<f32>((<u32>load<u16>(p)) << 16);
  const x = <u32>load<u16>(p);
  const m = x & 0x7fff;
  const s = reinterpret<f32>(m << 13) * reinterpret<f32>(0x77800000);
  return reinterpret<f32>(reinterpret<u32>(s) | ((x & 0x8000) << 16));
}
@inline function mm(kind: i32, size: usize, yPtr: usize, xPtr: usize, wPtr: usize, T: usize, out: usize, K: usize, r0: usize, r1: usize): void {
  for (let t: usize = 0; t < T; t++) for (let o: usize = r0; o < r1; o++) {
    let acc: f32 = 0;
    const w = wPtr + (o >> 3) * K * 8 * size + (o & 7) * size;
    for (let k: usize = 0; k < K; k++) acc += load<f32>(xPtr + (t * K + k) * 4) * wAt(kind, w + k * 8 * size);
    store<f32>(yPtr + (t * out + o) * 4, acc);
  }
}
export function matmulF32(y: usize, x: usize, w: usize, T: usize, o: usize, K: usize, a: usize, b: usize): void { mm(0, 4, y, x, w, T, o, K, a, b); }
export function matmulBf16(y: usize, x: usize, w: usize, T: usize, o: usize, K: usize, a: usize, b: usize): void { mm(1, 2, y, x, w, T, o, K, a, b); }
export function matmulF16(y: usize, x: usize, w: usize, T: usize, o: usize, K: usize, a: usize, b: usize): void { mm(2, 2, y, x, w, T, o, K, a, b); }
