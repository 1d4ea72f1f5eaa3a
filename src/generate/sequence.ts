/** What generation needs of a model: a growing list of tokens and the logits after the last. */

export interface AppendOptions {
  readonly signal?: AbortSignal | undefined;
}

/** One sequence of tokens in a model's cache. */
export interface ModelSequence {
  /** V: ids run from 0 to V - 1. */
  readonly vocabSize: number;
  /** Tokens appended so far. */
  readonly length: number;
  /** Appends tokens and computes the logits after the last of them. It rejects with `aborted` when
   *  the signal fires, and lets the event loop run at least every 50 ms.
   *  @param tokenIds at least one, each 0 … V - 1 @returns logits `[V]`, the caller's to keep */
  append(tokenIds: readonly number[], options?: AppendOptions): Promise<Float32Array>;
  /** Gives the cache back; a second call does nothing. */
  close(): void;
}
