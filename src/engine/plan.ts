/** What a model needs in memory, computed from its configuration alone.
 *
 *  The reference kernels hold weights and cache as float32; the cache comes in blocks of 64
 *  positions for keys and values of every layer. */

import { type BaichuanConfig, countParameters } from '../config.ts';
import { BLOCK_POSITIONS } from '../kernels/kernels.ts';

const FLOAT32_BYTES = 4;

export interface MemoryPlan {
  /** Name of the kernel set that the plan is for. */
  readonly kernels: string;
  readonly weightBytes: number;
  /** Positions of the cache, rounded up to whole blocks. */
  readonly contextLength: number;
  readonly cacheBytes: number;
  readonly totalBytes: number;
}

/** Plans the reference kernels.
 *  @param contextLength positions of one sequence; the model's own context by default */
export function planMemory(
  config: BaichuanConfig,
  contextLength = config.modelMaxLength,
): MemoryPlan {
  const positions = Math.ceil(contextLength / BLOCK_POSITIONS) * BLOCK_POSITIONS;
  const perPosition = 2 * config.numHiddenLayers * config.hiddenSize * FLOAT32_BYTES;
  const weightBytes = countParameters(config) * FLOAT32_BYTES;
  const cacheBytes = positions * perPosition;
  const totalBytes = weightBytes + cacheBytes;
  return { kernels: 'reference', weightBytes, contextLength: positions, cacheBytes, totalBytes };
}
