/** What computes: weights, cache and kernels behind a few messages. It may live in the caller's
 *  thread or in a worker of its own; callers cannot tell. */

import type { BaichuanConfig } from '../config.ts';
import type { ParameterRows } from '../kernels/kernels.ts';
import type { Segment } from '../layers/context.ts';

/** Ids that continue a sequence of the cache. */
export interface PassPart {
  readonly sequence: number;
  readonly ids: readonly number[];
}

export interface RunOptions {
  /** Logits of every row, or of the last row of every part. */
  readonly logits: 'all' | 'last';
  readonly signal?: AbortSignal | undefined;
  /** Patterns of the activations to record; nothing is recorded without. */
  readonly taps?: readonly string[] | undefined;
}

/** One activation of a pass, copied out of the engine. */
export interface Activation {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Attention maps are those of one sequence. */
  readonly segment?: Segment | undefined;
}

export interface PassResult {
  /** `[rows, V]`, the caller's to keep. */
  readonly logits: Float32Array;
  /** In the order of execution. */
  readonly activations: readonly Activation[];
}

/** The sequences of an engine's cache, by number. */
export interface Sequences {
  open(): number;
  /** A second sequence with the first `length` positions of another. @throws cache-position */
  fork(sequence: number, length?: number): number;
  /** @throws cache-position */
  rollback(sequence: number, length: number): void;
  /** Forgets a sequence; closing one twice is no error. */
  close(sequence: number): void;
  /** Positions held. @throws sequence-closed */
  length(sequence: number): number;
}

export interface Engine extends Sequences {
  /** Tokens that the next chunk of a prompt should have. */
  readonly chunkTokens: number;
  /** Takes rows of a parameter while the model is loaded, in order.
   *  @param row the first of them */
  write(name: string, row: number, rows: ParameterRows): Promise<void>;
  /** Runs one pass and commits it to the cache, or leaves the cache as it was; passes wait for each
   *  other. @throws aborted, context-length, out-of-memory, worker-failed, worker-lost */
  run(parts: readonly PassPart[], options: RunOptions): Promise<PassResult>;
  /** Gives all memory back. */
  dispose(): Promise<void>;
}

/** An engine with the model that it computes. */
export interface EngineState {
  readonly config: BaichuanConfig;
  readonly engine: Engine;
  /** Positions a sequence may hold. */
  readonly contextLength: number;
}
