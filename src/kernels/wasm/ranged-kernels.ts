/** The kernels that work on a range of independent units, by number: what a pool is told is a
 *  number, the arguments and the range. */

import type { KernelExports } from './exports.ts';

const NAMES = [
  'matmulF32',
  'matmulBf16',
  'matmulF16',
  'matmulInt8Exact',
  'matmulInt4Exact',
  'matmulInt8ChannelExact',
  'matmulInt4ChannelExact',
  'matmulInt8',
  'matmulInt4',
  'matmulInt8Channel',
  'matmulInt4Channel',
  'quantizeActivations',
  'widenBf16Range',
  'widenF16Range',
  'packF32',
  'packHalf',
  'packInt8',
  'packInt4',
  'packInt8Channel',
  'packInt4Channel',
  'packQ8_0',
  'packQ4_0',
  'packInt8ChannelValues',
  'packInt4ChannelValues',
  'quantizeRowsQ8',
  'rmsNorm',
  'rotateHalves',
  'siluMul',
  'add',
  'columns',
  'gatherF32',
  'gatherBf16',
  'gatherF16',
  'gatherInt8',
  'appendKeyValueF32',
  'appendKeyValueInt8',
  'attentionF32',
  'attentionInt8',
] as const satisfies readonly (keyof KernelExports)[];

export type KernelName = (typeof NAMES)[number];

/** A kernel with its arguments, then the start and the end of a range of its units. */
export type RangedKernel = (...args: number[]) => void;

/** The number of a kernel. */
export const KERNEL_NUMBERS: ReadonlyMap<KernelName, number> = new Map(
  NAMES.map((name, number) => [name, number]),
);

/** The kernels of an instance, by number. */
export function rangedKernels(exports: KernelExports): readonly RangedKernel[] {
  return NAMES.map((name) => exports[name]);
}
