/** The published quantizer of Baichuan-13B, `int8-channel` and `int4-channel`, bit for bit: a row
 *  of the weight has the float32 scale max|w| / 127 (4 bits: / 7), and q = w / scale, rounded half
 *  to even. Source: baichuan-inc/Baichuan-13B-Chat, quantizer.py.
 *
 *  A row of zeros has the scale 0 (the published code divides by it). A row that holds NaN or an
 *  infinity has the scale NaN and q = 0, so all of it stays not a number. Where a scale is
 *  subnormal and has lost its precision, q is clipped to the range. The mirror of
 *  assembly/pack-channel.ts. */

import { roundHalfEven } from '../tensor/float16.ts';
import {
  createQuantizedMatrix,
  QUANTIZED_RANGES,
  type QuantizedMatrix,
} from '../tensor/quantized.ts';

/** Eight bits a weight, in −127 … 127.
 *  @param weights `[out, in]` @param shape `[out, in]` */
export function quantizeInt8Channel(
  weights: Float32Array,
  shape: readonly [number, number],
): QuantizedMatrix {
  return quantizeRows(weights, shape, 'int8-channel');
}

/** Four bits a weight, in −7 … 7.
 *  @param weights `[out, in]` @param shape `[out, in]` */
export function quantizeInt4Channel(
  weights: Float32Array,
  shape: readonly [number, number],
): QuantizedMatrix {
  return quantizeRows(weights, shape, 'int4-channel');
}

function quantizeRows(
  weights: Float32Array,
  shape: readonly [number, number],
  type: 'int8-channel' | 'int4-channel',
): QuantizedMatrix {
  const [outFeatures, inFeatures] = shape;
  const matrix = createQuantizedMatrix(type, shape);
  const { least, greatest } = QUANTIZED_RANGES[type];
  for (let o = 0; o < outFeatures; o++) {
    const row = weights.subarray(o * inFeatures, (o + 1) * inFeatures);
    const magnitude = row.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const isSpecial = !(magnitude < Number.POSITIVE_INFINITY);
    const scale = isSpecial ? Number.NaN : Math.fround(magnitude / greatest);
    matrix.scales[o] = scale;
    if (!(scale > 0)) continue; // 0 or NaN: every q is 0
    const values = matrix.values.subarray(o * inFeatures, (o + 1) * inFeatures);
    for (let k = 0; k < inFeatures; k++) {
      const q = roundHalfEven(Math.fround(row[k] / scale));
      values[k] = Math.max(least, Math.min(greatest, q));
    }
  }
  return matrix;
}
