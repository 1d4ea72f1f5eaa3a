/** The quantizers: float32 weights → `QuantizedMatrix`. */

import type { QuantizedMatrix, QuantizedType } from '../tensor/quantized.ts';
import { quantizeInt4Channel, quantizeInt8Channel } from './by-channel.ts';
import { quantizeInt4, quantizeInt8 } from './grouped.ts';

export { quantizeInt4, quantizeInt4Channel, quantizeInt8, quantizeInt8Channel };

/** The quantizer of every type. */
export const QUANTIZERS: Record<
  QuantizedType,
  (weights: Float32Array, shape: readonly [number, number]) => QuantizedMatrix
> = {
  int8: quantizeInt8,
  int4: quantizeInt4,
  'int8-channel': quantizeInt8Channel,
  'int4-channel': quantizeInt4Channel,
};
