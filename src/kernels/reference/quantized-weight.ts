/** A linear weight of small integers, unpacked: w[o, i] = values[o, i] · scale, the scale being
 *  that of the group of 32 elements that holds i, or of the whole row. */

/** Elements of a group. */
export const GROUP = 32;

export interface QuantizedWeight {
  /** int8, or int4 in −8…7, `[out, in]`. */
  readonly values: Int8Array;
  /** Per group `[out, ⌈in / 32⌉]`, or per row `[out]`. */
  readonly scales: Float32Array;
}

/** The groups of a row; the last one may be short. */
export function groupsOf(inFeatures: number): number {
  return Math.ceil(inFeatures / GROUP);
}

/** The weight in float32: float(value) · scale, rounded.
 *  @param perRow whether a row has one scale @returns `[out, in]` */
export function dequantize(
  { values, scales }: QuantizedWeight,
  outFeatures: number,
  inFeatures: number,
  perRow: boolean,
): Float32Array {
  const weight = new Float32Array(outFeatures * inFeatures);
  const G = groupsOf(inFeatures);
  for (let o = 0; o < outFeatures; o++) {
    for (let i = 0; i < inFeatures; i++) {
      const scale = perRow ? scales[o] : scales[o * G + Math.floor(i / GROUP)];
      weight[o * inFeatures + i] = values[o * inFeatures + i] * scale;
    }
  }
  return weight;
}
