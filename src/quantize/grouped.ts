/** Quantization by groups of 32 weights with a float16 scale: `int8` and `int4`.
 *
 *  For given integers q the scale d of least squared error Σ (w − d·q)² is Σwq / Σqq, and leaves
 *  the error Σww − (Σwq)² / Σqq. So each candidate maps the group's weight of greatest magnitude
 *  to a fixed number (its divisor), rounds, and gains (Σwq)² / Σqq; the scale of the greatest gain
 *  is rounded to float16, and the weights are rounded anew with what the file will hold.
 *
 *  Divisors of 4 bits: −8 uses the whole range −8 … 7 (as Q4_0 does), −8.49 clips a little, −7.25
 *  suits groups that reach as far on the other side. 8 bits: 127 to 125, one of which falls best on
 *  the group. What this is worth, bench/quantization.bench.ts prints.
 *
 *  Arithmetic is float32, one rounding an operation, sums in ascending order: the mirror of
 *  assembly/group-scales.ts and assembly/quantize-group.ts, bit for bit.
 *
 *  A group of zeros, or of magnitudes whose scale is no float16 above 0, has the scale 0. A group
 *  that holds NaN or an infinity has the scale NaN, so it stays not a number. A scale past the
 *  greatest float16, 65,504, becomes that, and the weights are clipped. */

import { powerOfTwo } from '../math/powers-of-two.ts';
import { decodeFloat16, encodeFloat16, MAX_FLOAT16, roundHalfEven } from '../tensor/float16.ts';
import { createQuantizedMatrix, GROUP_SIZE, type QuantizedMatrix } from '../tensor/quantized.ts';

const fround = Math.fround;

/** Below this magnitude every scale rounds to 0, and its reciprocal might overflow. */
const LEAST_MAGNITUDE = powerOfTwo(-100);

/** How the groups of one type are rounded. */
interface Rounding {
  readonly type: 'int8' | 'int4';
  readonly least: number;
  readonly greatest: number;
  /** What the candidates map the weight of greatest magnitude to. */
  readonly divisors: readonly number[];
}

const INT8: Rounding = {
  type: 'int8',
  least: -127,
  greatest: 127,
  divisors: [127, 126, 125],
};
const INT4: Rounding = {
  type: 'int4',
  least: -8,
  greatest: 7,
  divisors: [-8, fround(-8.49), -7.25],
};

/** Eight bits a weight, in −127 … 127, with a scale of 0 or more.
 *  @param weights `[out, in]` @param shape `[out, in]` */
export function quantizeInt8(
  weights: Float32Array,
  shape: readonly [number, number],
): QuantizedMatrix {
  return quantizeGroups(weights, shape, INT8);
}

/** Four bits a weight, in −8 … 7.
 *  @param weights `[out, in]` @param shape `[out, in]` */
export function quantizeInt4(
  weights: Float32Array,
  shape: readonly [number, number],
): QuantizedMatrix {
  return quantizeGroups(weights, shape, INT4);
}

function quantizeGroups(
  weights: Float32Array,
  shape: readonly [number, number],
  rounding: Rounding,
): QuantizedMatrix {
  const [outFeatures, inFeatures] = shape;
  const matrix = createQuantizedMatrix(rounding.type, shape);
  const group = new Float32Array(GROUP_SIZE);
  let scaleIndex = 0;
  for (let o = 0; o < outFeatures; o++) {
    for (let k = 0; k < inFeatures; k += GROUP_SIZE) {
      const [start, end] = [
        o * inFeatures + k,
        o * inFeatures + Math.min(k + GROUP_SIZE, inFeatures),
      ];
      group.fill(0).set(weights.subarray(start, end)); // zeros complete a short group
      const scale = groupScale(group, rounding);
      matrix.scales[scaleIndex++] = scale;
      if (!(Math.abs(scale) > 0)) continue; // 0 or NaN: every q is 0
      const inverse = fround(1 / scale);
      for (let i = start; i < end; i++) matrix.values[i] = round(weights[i], inverse, rounding);
    }
  }
  return matrix;
}

/** The float16 scale of a group. */
function groupScale(group: Float32Array, rounding: Rounding): number {
  const [least, greatest] = [Math.min(...group), Math.max(...group)];
  const magnitude = Math.max(-least, greatest);
  if (magnitude < LEAST_MAGNITUDE) return 0;
  if (!(magnitude < Number.POSITIVE_INFINITY)) return Number.NaN;
  // 4 bits have one number more below zero than above it, so there the sign counts.
  const extreme = rounding.type === 'int4' && greatest <= -least ? least : magnitude;

  let [scale, bestGain] = [0, -1];
  for (const divisor of rounding.divisors) {
    const { wq, qq } = sums(group, fround(divisor / extreme), rounding);
    const gain = fround(fround(wq * wq) / qq);
    if (gain > bestGain) [scale, bestGain] = [fround(wq / qq), gain];
  }
  return decodeFloat16(encodeFloat16(clamp(scale, -MAX_FLOAT16, MAX_FLOAT16)));
}

/** Σwq and Σqq over a group, w · inverse being rounded to q. */
function sums(group: Float32Array, inverse: number, rounding: Rounding) {
  let [wq, qq] = [0, 0];
  for (const weight of group) {
    const q = round(weight, inverse, rounding);
    wq = fround(wq + fround(weight * q));
    qq += q * q; // integers under 2²⁴: exact
  }
  return { wq, qq };
}

function round(weight: number, inverse: number, { least, greatest }: Rounding): number {
  return roundHalfEven(clamp(fround(weight * inverse), least, greatest));
}

function clamp(x: number, least: number, greatest: number): number {
  return Math.max(least, Math.min(greatest, x));
}
