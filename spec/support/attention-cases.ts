/** Cases of attention over a cache in blocks, through any build of the kernels. */

import { attentionScratchBytes } from '../../src/kernels/wasm/cache.ts';
import { type CacheFormat, cacheBlockBytes } from '../../src/kernels/wasm/layout.ts';
import type { KernelMemory } from './kernel-memory.ts';
import { randomSource } from './random.ts';

export interface AttentionCase {
  readonly H: number;
  readonly D: number;
  readonly position: number;
  readonly count: number;
  readonly slopes: Float32Array | null;
  /** How large keys and queries are. */
  readonly magnitude?: number;
}

/** Queries `[T, H, D]`, keys and values `[S, H, D]`: those of a position do not depend on S. */
export interface AttentionInputs {
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly v: Float32Array;
}

/** Scores and probabilities are empty unless they were observed. */
export interface AttentionResult {
  readonly y: Float32Array;
  readonly scores: Float32Array;
  readonly probs: Float32Array;
  /** The blocks, copied. */
  readonly table: readonly Uint8Array<ArrayBuffer>[];
}

export type Observable = 'scores' | 'probs';

export const BOTH: readonly Observable[] = ['scores', 'probs'];

/** What a trace may ask for: what is computed besides must not depend on it. */
export const OBSERVATIONS: readonly (readonly Observable[])[] = [BOTH, ['scores'], ['probs'], []];

export interface RunOptions {
  /** What is asked for; nothing by default. */
  readonly observed?: readonly Observable[];
  readonly heads?: readonly [start: number, end: number];
  /** Tokens appended and attended at once; all by default. */
  readonly chunk?: number;
  readonly shift?: number;
}

const APPEND = { f32: 'appendKeyValueF32', int8: 'appendKeyValueInt8' } as const;
const ATTEND = { f32: 'attentionF32', int8: 'attentionInt8' } as const;

/** Random inputs of a case. */
export function attentionInputs(shape: AttentionCase): AttentionInputs {
  const { H, D, position, count, magnitude = 1 } = shape;
  const length = (position + count) * H * D;
  const [query, keys, values] = [3 * magnitude, magnitude, 1];
  const q = randomSource(100 * D + 1)
    .signed(length, query)
    .slice(position * H * D);
  const k = randomSource(100 * D + 2).signed(length, keys);
  return { q, k, v: randomSource(100 * D + 3).signed(length, values) };
}

/** Appends everything and attends from `position` on, in the given build. */
export function runAttention(
  memory: KernelMemory,
  format: CacheFormat,
  shape: AttentionCase,
  inputs: AttentionInputs,
  options: RunOptions = {},
): AttentionResult {
  const { H, D, position, count, slopes } = shape;
  const { observed = [], heads = [0, H], chunk = count, shift = 4 * (D % 4) } = options;
  const S = position + count;
  const row = H * D * 4;
  memory.reset();
  const blockBytes = cacheBlockBytes(format, H, D);
  const blocks = Array.from({ length: Math.ceil(S / 64) }, () => memory.reserve(blockBytes, shift));
  const tablePtr = memory.put(Uint32Array.from(blocks), 4);
  const [kPtr, vPtr, qPtr] = [inputs.k, inputs.v, inputs.q].map((x) => memory.put(x, 12 - shift));
  const slopesPtr = slopes === null ? 0 : memory.put(slopes, 8);
  const yPtr = memory.put(inputs.q.slice().fill(-7), shift);
  const [scoresPtr, probsPtr] = BOTH.map((part) =>
    observed.includes(part) ? memory.reserve(4 * H * count * S, 4) : 0,
  );
  const stride = attentionScratchBytes(S, D);
  const scratchPtr = memory.reserve(H * stride, 8);
  memory.kernels[APPEND[format]](tablePtr, kPtr, vPtr, H, D, 0, 0, position);
  for (let t = 0; t < count; t += chunk) {
    const T = Math.min(chunk, count - t);
    const at = position + t;
    memory.kernels[APPEND[format]](tablePtr, kPtr + at * row, vPtr + at * row, H, D, at, 0, T);
    const sizes = [H, D, at, T, 1 / Math.sqrt(D)] as const;
    memory.kernels[ATTEND[format]](
      ...([yPtr + t * row, qPtr + t * row, tablePtr, ...sizes, slopesPtr] as const),
      ...([scoresPtr, probsPtr, scratchPtr, stride, ...heads] as const),
    );
  }
  memory.expectMargins(`${format} ${JSON.stringify(shape)}`);
  const read = (pointer: number) =>
    memory.floats(pointer, pointer === 0 ? 0 : H * count * S).slice();
  return {
    y: memory.floats(yPtr, count * H * D).slice(),
    scores: read(scoresPtr),
    probs: read(probsPtr),
    table: blocks.map((pointer) => Uint8Array.from(memory.bytes(pointer, blockBytes))),
  };
}
