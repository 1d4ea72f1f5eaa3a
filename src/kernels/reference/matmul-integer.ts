/** Quantized activations times a transposed quantized weight, in the arithmetic of the kernels:
 *
 *      y[t, o] = Σ_g float(Σᵢ q[t, 32g + i] · values[o, 32g + i]) · (wScale[o, g] · xScale[t, g])
 *
 *  The inner sum is an exact integer; products and outer sums round to float32, in ascending g.
 *  With one scale per row the products take xScale alone, and the whole sum is multiplied by the
 *  scale of the row. */

import { GROUP, groupsOf, type QuantizedWeight } from './quantized-weight.ts';

/** Rows `rowStart` to `rowEnd` of a weight with a scale per group.
 *  @param y `[T, outFeatures]` (overwritten in those columns) @param q `[G, T, 32]`
 *  @param scales `[G, T]` @param w scales `[outFeatures, G]` */
export function matmulGroups(
  y: Float32Array,
  q: Int8Array,
  scales: Float32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const G = groupsOf(inFeatures);
  for (let t = 0; t < T; t++) {
    for (let o = rowStart; o < rowEnd; o++) {
      let sum = 0;
      for (let g = 0; g < G; g++) {
        const scale = Math.fround(w.scales[o * G + g] * scales[g * T + t]);
        const dot = Math.fround(
          dotOfGroup(q, (g * T + t) * GROUP, w.values, o * inFeatures, g, inFeatures),
        );
        sum = Math.fround(sum + Math.fround(dot * scale));
      }
      y[t * outFeatures + o] = sum;
    }
  }
}

/** Rows `rowStart` to `rowEnd` of a weight with a scale per row.
 *  @param y `[T, outFeatures]` (overwritten in those columns) @param q `[G, T, 32]`
 *  @param scales `[G, T]` @param w scales `[outFeatures]` */
export function matmulChannels(
  y: Float32Array,
  q: Int8Array,
  scales: Float32Array,
  w: QuantizedWeight,
  T: number,
  outFeatures: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const G = groupsOf(inFeatures);
  for (let t = 0; t < T; t++) {
    for (let o = rowStart; o < rowEnd; o++) {
      let sum = 0;
      for (let g = 0; g < G; g++) {
        const dot = Math.fround(
          dotOfGroup(q, (g * T + t) * GROUP, w.values, o * inFeatures, g, inFeatures),
        );
        sum = Math.fround(sum + Math.fround(dot * scales[g * T + t]));
      }
      y[t * outFeatures + o] = Math.fround(sum * w.scales[o]);
    }
  }
}

/** Σᵢ q[t, 32g + i] · values[o, 32g + i], exact.
 *  @param qStart of the group and token @param rowStart of the row of the weight */
function dotOfGroup(
  q: Int8Array,
  qStart: number,
  values: Int8Array,
  rowStart: number,
  g: number,
  inFeatures: number,
): number {
  const count = Math.min(inFeatures - g * GROUP, GROUP);
  const start = rowStart + g * GROUP;
  let dot = 0;
  for (let i = 0; i < count; i++) dot += q[qStart + i] * values[start + i];
  return dot;
}
