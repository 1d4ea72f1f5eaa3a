/** Activations as int8, in groups of 32: amax = max |x|, scale = amax / 127, q = x / scale.
 *
 *  Both quotients round to float32; q then rounds to the nearest integer, halves to even, and lies
 *  in −127…127. Where the scale is 0 all q are 0. NaN makes the scale NaN, infinity makes it
 *  infinite, and all q 0. A product with n = w + 8 instead of w starts at the offset −8 · Σ q. The
 *  mirror of assembly/quantize-activations.ts. */

import { GROUP, groupsOf } from './quantized-weight.ts';

/** Tokens `rowStart` to `rowEnd`.
 *  @param q `[G, T, 32]` (overwritten, zeros past inFeatures)
 *  @param scales `[G, T]` (overwritten) @param offsets −8 · Σ q `[G, T]` (overwritten)
 *  @param x `[T, inFeatures]` */
export function quantizeActivations(
  q: Int8Array,
  scales: Float32Array,
  offsets: Int32Array,
  x: Float32Array,
  T: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const G = groupsOf(inFeatures);
  for (let t = rowStart; t < rowEnd; t++) {
    for (let g = 0; g < G; g++) {
      const first = t * inFeatures + g * GROUP;
      const group = x.subarray(first, t * inFeatures + Math.min(inFeatures, (g + 1) * GROUP));
      let amax = 0;
      for (const value of group) amax = Math.max(amax, Math.abs(value)); // NaN stays
      const scale = Math.fround(amax / 127);
      const divisor = scale === 0 ? 1 : scale;

      let sum = 0;
      for (let i = 0; i < GROUP; i++) {
        const value = i < group.length ? integer(Math.fround(group[i] / divisor)) : 0;
        q[(g * T + t) * GROUP + i] = value;
        sum += value;
      }
      scales[g * T + t] = scale;
      offsets[g * T + t] = -8 * sum;
    }
  }
}

/** The nearest integer in −127…127, halves to even, NaN to 0. */
function integer(x: number): number {
  if (Number.isNaN(x)) return 0;
  const below = Math.floor(x);
  const isAbove = x - below > 0.5 || (x - below === 0.5 && below % 2 !== 0);
  return Math.max(-127, Math.min(127, isAbove ? below + 1 : below));
}
