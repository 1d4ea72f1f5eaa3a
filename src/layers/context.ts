/** What a layer sees besides its input and its weights. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { Arena } from '../tensor/arena.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { KvCache } from './kv-cache.ts';
import type { RotaryTables } from './rope.ts';

/** Rows `start` to `start + count` of a pass belong to one sequence, at `position` and after. */
export interface Segment {
  readonly sequence: number;
  readonly start: number;
  readonly count: number;
  readonly position: number;
}

/** Sees an activation under its name in the published model. The tensor is valid during the call;
 *  an attention map is that of `segment`, other tensors hold all rows of the pass. */
export interface Tap {
  (name: string, tensor: Tensor, segment?: Segment): void;
  /** What is made for a tap alone is made only if it is wanted; everything is by default. */
  readonly wants?: ((name: string) => boolean) | undefined;
}

/** Whether somebody looks at an activation. */
export function isTapped({ tap }: LayerContext, name: string): boolean {
  return tap !== undefined && (tap.wants?.(name) ?? true);
}

export interface LayerContext {
  readonly config: BaichuanConfig;
  readonly kernels: Kernels;
  /** That of the memory in which the present layer lies. */
  readonly arena: Arena;
  /** In the order of their rows, which they cover without a gap. */
  readonly segments: readonly Segment[];
  readonly kvCache: KvCache;
  /** The decoder layer that runs, 0 … numHiddenLayers − 1. */
  readonly layer: number;
  /** 7B: cosines and sines for the rows of this pass. */
  readonly rotary: RotaryTables | null;
  /** Absent when nobody traces; `context.tap?.(…)` then evaluates nothing. */
  readonly tap?: Tap | undefined;
}
