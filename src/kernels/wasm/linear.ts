/** y = x · Wᵀ for every format of a weight. Quantized weights meet float32 activations (`exact`:
 *  weights are dequantized in registers) or activations in groups of int8 (`fast`: integer
 *  dots). */

import { expectShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { WeightFormat } from '../kernels.ts';
import type { BankSet } from './index.ts';
import { ACTIVATION_BYTES, GROUP, groupsOf, matmulScratchBytes, PACK_ROWS } from './layout.ts';
import type { PackedWeight } from './parameters.ts';
import type { KernelName } from './ranged-kernels.ts';

const FLOAT_KERNELS: Readonly<Record<WeightFormat, KernelName>> = {
  f32: 'matmulF32',
  bf16: 'matmulBf16',
  f16: 'matmulF16',
  int8: 'matmulInt8Exact',
  int4: 'matmulInt4Exact',
  'int8-channel': 'matmulInt8ChannelExact',
  'int4-channel': 'matmulInt4ChannelExact',
};

const INTEGER_KERNELS: Readonly<Partial<Record<WeightFormat, KernelName>>> = {
  int8: 'matmulInt8',
  int4: 'matmulInt4',
  'int8-channel': 'matmulInt8Channel',
  'int4-channel': 'matmulInt4Channel',
};

/** The operation of a linear layer. */
export function createLinearOperation(
  { runner, into }: BankSet,
  activations: 'exact' | 'fast',
): (x: Tensor, weight: PackedWeight) => Tensor {
  return (x, { bank, pointer, format, outFeatures, inFeatures }) => {
    const { T } = expectShape('x', x, { T: 'any', inFeatures });
    const input = into(bank, x).byteOffset;
    const y = bank.arena.allocate([T, outFeatures]);
    const sizes = [T, outFeatures, inFeatures];
    const range = { units: outFeatures, align: PACK_ROWS, work: T * outFeatures * inFeatures };
    const integer = activations === 'fast' ? INTEGER_KERNELS[format] : undefined;
    if (integer === undefined) {
      runner.run(bank, FLOAT_KERNELS[format], [y.byteOffset, input, pointer, ...sizes], range);
      return y;
    }
    const mark = bank.arena.mark();
    const groups = groupsOf(inFeatures);
    const activationWords = (T * groups * GROUP * ACTIVATION_BYTES) / 4;
    const quantized = [[activationWords], [groups, T], [groups, T]].map(
      (shape) => bank.arena.allocate(shape).byteOffset,
    );
    const scratch = bank.arena.allocate([matmulScratchBytes(format, T, outFeatures) / 4]);
    const tokens = { units: T, work: 4 * T * inFeatures };
    runner.run(bank, 'quantizeActivations', [...quantized, input, T, inFeatures], tokens);
    runner.run(
      bank,
      integer,
      [y.byteOffset, ...quantized, pointer, scratch.byteOffset, ...sizes],
      range,
    );
    bank.arena.release(mark);
    return y;
  };
}
