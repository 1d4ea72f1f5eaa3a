/** Weights in the row-block layouts of src/kernels/wasm/exports.ts, packed by their definition, one
 *  element at a time. */

import type { QuantizedWeight } from '../../src/kernels/reference/quantized-weight.ts';
import { widenF16 } from '../../src/kernels/reference/widen.ts';

const ROWS = 8;
const GROUP = 32;

/** A quantized weight with the patterns of its scales, where these are float16. */
export interface CaseWeight extends QuantizedWeight {
  readonly halfScales: Uint16Array;
}

/** float32 of float16 patterns. */
export function fromHalf(patterns: Uint16Array): Float32Array {
  const values = new Float32Array(patterns.length);
  widenF16(values, patterns, patterns.length);
  return values;
}

/** `[K][8]` per block. @param weight float32 or 16-bit patterns `[out, in]` */
export function packFloats<Values extends Float32Array | Uint16Array>(
  weight: Values,
  out: number,
  inFeatures: number,
): Values {
  const length = Math.ceil(out / ROWS) * ROWS * inFeatures;
  const packed = (
    weight instanceof Float32Array ? new Float32Array(length) : new Uint16Array(length)
  ) as Values;
  for (let o = 0; o < out; o += 1) {
    const block = Math.floor(o / ROWS) * ROWS * inFeatures;
    for (let i = 0; i < inFeatures; i += 1) {
      packed[block + i * ROWS + (o % ROWS)] = weight[o * inFeatures + i];
    }
  }
  return packed;
}

/** Any of the four integer layouts. @param bits 4 or 8 @param perRow one float32 scale per row */
export function packIntegers(
  { values, scales, halfScales }: CaseWeight,
  { out, in: inFeatures }: { out: number; in: number },
  bits: number,
  perRow: boolean,
): Uint8Array {
  const G = Math.ceil(inFeatures / GROUP);
  const groupBytes = ROWS * GROUP * (bits / 8);
  const stride = perRow ? 32 + groupBytes * G : (16 + groupBytes) * G;
  const packed = new Uint8Array(Math.ceil(out / ROWS) * stride);
  const view = new DataView(packed.buffer);
  for (let o = 0; o < Math.ceil(out / ROWS) * ROWS; o += 1) {
    const block = Math.floor(o / ROWS) * stride;
    const row = o % ROWS;
    const isMissing = o >= out;
    if (perRow) view.setFloat32(block + 4 * row, isMissing ? 0 : scales[o], true);
    for (let k = 0; k < G * GROUP; k += 1) {
      const g = Math.floor(k / GROUP);
      const i = k % GROUP;
      const group = block + (perRow ? 32 + groupBytes * g : (16 + groupBytes) * g + 16);
      if (!perRow)
        view.setUint16(group - 16 + 2 * row, isMissing ? 0 : halfScales[o * G + g], true);
      const value = isMissing || k >= inFeatures ? 0 : values[o * inFeatures + k];
      if (bits === 8) {
        view.setInt8(group + (i >> 2) * 32 + row * 4 + (i & 3), value);
      } else {
        const at = group + ((i & 15) >> 2) * 32 + row * 4 + (i & 3);
        packed[at] |= (value + 8) << (i < 16 ? 0 : 4);
      }
    }
  }
  return packed;
}
