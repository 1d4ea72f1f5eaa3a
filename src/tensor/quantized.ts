/** A quantized matrix: a small integer for every weight and a scale for every group of weights,
 *
 *      weight[o, k] = scale · q[o, k]
 *
 *  `int8` and `int4` have a float16 scale for each 32 weights of a row (the last group of a row may
 *  be shorter), the values of Q8_0 and Q4_0; `int8-channel` and `int4-channel` have a float32 scale
 *  for each row, as the published quantizer. */

import { BaichuanError } from '../errors.ts';

/** Weights that share a scale in `int8` and `int4`. */
export const GROUP_SIZE = 32;

/** The integers of each type. An `int8` from a file may hold −128 as well. */
export const QUANTIZED_RANGES = {
  int8: { least: -127, greatest: 127, isGrouped: true },
  int4: { least: -8, greatest: 7, isGrouped: true },
  'int8-channel': { least: -127, greatest: 127, isGrouped: false },
  'int4-channel': { least: -8, greatest: 7, isGrouped: false },
} as const;

export type QuantizedType = keyof typeof QUANTIZED_RANGES;

export interface QuantizedMatrix {
  readonly type: QuantizedType;
  /** `[out, in]`. */
  readonly shape: readonly [number, number];
  /** q, `[out, in]`. */
  readonly values: Int8Array;
  /** `[out, ceil(in / 32)]`, each a float16; by channel `[out]`. May be negative. */
  readonly scales: Float32Array;
}

/** How many scales a row has.
 *  @param inFeatures weights of a row */
export function scalesPerRow(type: QuantizedType, inFeatures: number): number {
  return QUANTIZED_RANGES[type].isGrouped ? Math.ceil(inFeatures / GROUP_SIZE) : 1;
}

/** A matrix of zeros, to be filled.
 *  @param shape `[out, in]` */
export function createQuantizedMatrix(
  type: QuantizedType,
  shape: readonly [number, number],
): QuantizedMatrix {
  const [outFeatures, inFeatures] = shape;
  const values = new Int8Array(outFeatures * inFeatures);
  const scales = new Float32Array(outFeatures * scalesPerRow(type, inFeatures));
  return { type, shape, values, scales };
}

/** The weights, each rounded once to float32. A group without a weight other than zero has the
 *  scale 0; one with a scale of NaN (it held a weight that is not finite) is NaN throughout.
 *  @returns `[out, in]` @throws shape-mismatch when values or scales do not fit the shape */
export function dequantize({ type, shape, values, scales }: QuantizedMatrix): Float32Array {
  const [outFeatures, inFeatures] = shape;
  const rowScales = scalesPerRow(type, inFeatures);
  expectLength('values', values, outFeatures * inFeatures);
  expectLength('scales', scales, outFeatures * rowScales);
  const weights = new Float32Array(values.length);
  const width = QUANTIZED_RANGES[type].isGrouped ? GROUP_SIZE : inFeatures;
  for (let o = 0; o < outFeatures; o++) {
    for (let k = 0; k < inFeatures; k++) {
      const index = o * inFeatures + k;
      weights[index] = values[index] * scales[o * rowScales + Math.floor(k / width)];
    }
  }
  return weights;
}

function expectLength(where: string, { length }: { length: number }, expected: number): void {
  if (length === expected) return;
  throw new BaichuanError('shape-mismatch', {
    where,
    what: `A quantized matrix of this shape has ${expected} ${where}, not ${length}.`,
    fix: `Pass as many ${where} as the shape and the type ask for.`,
    expected,
    found: length,
  });
}
