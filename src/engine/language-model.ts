/** A loaded model: what callers hold. Everything asynchronous is here; the layers below are plain
 *  synchronous functions. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import type { GenerationConfig } from '../generate/generation-config.ts';
import type { ModelSequence } from '../generate/sequence.ts';
import type { CacheFormat } from '../kernels/wasm/layout.ts';
import type { Simd } from '../kernels/wasm/simd.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { Trace } from '../verify/trace.ts';
import type { Engine, EngineState } from './engine.ts';
import type { EngineChoice } from './engine-options.ts';
import { checkTokenIds, stripPadding } from './inputs.ts';
import type { MemoryPlan } from './plan.ts';
import { recordTrace } from './record-trace.ts';
import { createRecorder, type TraceSink } from './recorder.ts';
import type { Quantization } from './weight-formats.ts';

/** Scores of every token of the vocabulary as the next one, one row per input token. */
export interface Logits {
  /** Row-major. */
  readonly data: Float32Array;
  /** `[T, V]`. */
  readonly shape: readonly [number, number];
}

export interface ForwardOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface BatchOptions extends ForwardOptions {
  /** Per row, 1 for a token and 0 for padding, as Hugging Face's `attention_mask`. */
  readonly attentionMask?: readonly (readonly number[])[] | undefined;
}

export interface TraceOptions extends ForwardOptions {
  /** Names to record, `*` for any characters; all by default. */
  readonly taps?: readonly string[] | undefined;
}

/** One sequence of a model, with its own part of the cache. */
export interface LanguageModelSequence extends ModelSequence {
  /** A second sequence that starts with the first `length` positions of this one. */
  fork(length?: number): LanguageModelSequence;
  /** Forgets the positions from `length` on. */
  rollback(length: number): void;
}

export interface LanguageModel {
  readonly config: BaichuanConfig;
  readonly generationConfig: GenerationConfig;
  /** Name of the kernel set that computes. */
  readonly kernels: 'wasm' | 'reference';
  /** What the weights became when they were loaded. */
  readonly quantize: Quantization;
  /** How activations meet quantized weights. */
  readonly activations: 'exact' | 'fast';
  /** The type of the cache. */
  readonly kvCache: CacheFormat;
  /** Threads that compute. */
  readonly threads: number;
  /** Which build of the kernels. */
  readonly simd: Simd;
  /** What was planned before anything was allocated. */
  readonly plan: MemoryPlan;
  /** Positions a sequence may hold; more are refused. */
  readonly contextLength: number;
  /** The tokenizer of the checkpoint, read at the first call. @throws directory-missing */
  tokenizer(): Promise<Tokenizer>;
  /** Logits of every token of a prompt. @throws token-id, prompt-empty, context-length, aborted */
  forward(ids: readonly number[], options?: ForwardOptions): Promise<Logits>;
  /** Logits of the tokens of several prompts, run as one batch; padding is left out.
   *  @throws token-id, prompt-empty, attention-mask, context-length, aborted */
  forwardBatch(rows: readonly (readonly number[])[], options?: BatchOptions): Promise<Logits[]>;
  /** Every activation of one prefill. @throws option-value, token-id, prompt-empty, aborted */
  trace(ids: readonly number[], options?: TraceOptions): Promise<Trace>;
  /** The same, handed on as it is recorded, so that it need not fit in memory.
   *  @throws what `trace` does, and what the sink throws */
  recordTrace(ids: readonly number[], sink: TraceSink, options?: TraceOptions): Promise<void>;
  /** Starts an empty sequence to append to. */
  openSequence(): LanguageModelSequence;
  /** Gives the memory back; the model cannot be used afterwards. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LanguageModelParts {
  readonly config: BaichuanConfig;
  readonly engine: Engine;
  readonly choice: EngineChoice;
  readonly plan: MemoryPlan;
  readonly generationConfig: GenerationConfig;
  readonly contextLength: number;
  loadTokenizer(): Promise<Tokenizer>;
}

/** Joins what was loaded into a model. */
export function createLanguageModel(parts: LanguageModelParts): LanguageModel {
  const { config, choice, plan, generationConfig, contextLength, loadTokenizer } = parts;
  // The only reference to weights and cache: closing lets go of them.
  let state: EngineState | undefined = { config, engine: parts.engine, contextLength };
  const use = (): EngineState => {
    if (state === undefined) throw modelClosed();
    return state;
  };
  const close = async () => {
    const engine = state?.engine;
    state = undefined;
    await engine?.dispose();
  };
  let tokenizer: Promise<Tokenizer> | undefined;
  const readTokenizer = () => {
    tokenizer ??= loadTokenizer().catch((error) => {
      tokenizer = undefined;
      throw error;
    });
    return tokenizer;
  };
  return {
    config,
    generationConfig,
    ...choice,
    plan,
    contextLength,
    tokenizer: readTokenizer,
    forward: async (ids, options = {}) => (await forwardRows(use(), [ids], options))[0],
    forwardBatch: async (rows, options = {}) =>
      forwardRows(use(), stripPadding(rows, options.attentionMask), options),
    trace: async (ids, options = {}) => {
      const recorder = createRecorder(ids);
      await recordTrace(use(), ids, recorder.sink, options);
      return recorder.trace();
    },
    recordTrace: async (ids, sink, options = {}) => recordTrace(use(), ids, sink, options),
    openSequence: () => sequenceHandle({ use, current: () => state }, use().engine.open()),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function modelClosed(): BaichuanError {
  return new BaichuanError('model-closed', {
    where: 'model',
    what: 'The model was closed.',
    fix: 'Load it again, or close it later.',
  });
}

/** The engine as long as the model is open. */
interface EngineHolder {
  /** @throws model-closed */
  use(): EngineState;
  current(): EngineState | undefined;
}

/** Runs rows of any lengths side by side, chunk by chunk. */
async function forwardRows(
  { config, engine, contextLength }: EngineState,
  rows: readonly (readonly number[])[],
  { signal }: ForwardOptions,
): Promise<Logits[]> {
  const V = config.vocabSize;
  rows.forEach((ids, row) => {
    checkTokenIds(ids, V, rows.length > 1 ? `input_ids[${row}]` : 'input_ids', contextLength);
  });
  const results = rows.map((ids) => new Float32Array(ids.length * V));
  const sequences = rows.map(() => engine.open());
  try {
    for (;;) {
      const parts = nextParts(rows, sequences, engine, engine.chunkTokens);
      if (parts.length === 0) break;
      const positions = parts.map(({ row }) => engine.length(sequences[row]));
      const { logits } = await engine.run(parts, { logits: 'all', signal });
      let start = 0;
      parts.forEach(({ row, ids }, index) => {
        results[row].set(
          logits.subarray(start * V, (start + ids.length) * V),
          positions[index] * V,
        );
        start += ids.length;
      });
    }
  } finally {
    for (const sequence of sequences) engine.close(sequence);
  }
  return rows.map((ids, row) => ({ data: results[row], shape: [ids.length, V] }));
}

/** The next ids of the first unfinished rows: `budget` tokens in all, at least one of a row. */
function nextParts(
  rows: readonly (readonly number[])[],
  sequences: readonly number[],
  engine: Engine,
  budget: number,
): { row: number; sequence: number; ids: readonly number[] }[] {
  const unfinished = rows.flatMap((ids, row) => {
    const sequence = sequences[row];
    const rest = ids.slice(engine.length(sequence));
    return rest.length > 0 ? [{ row, sequence, rest }] : [];
  });
  const share = Math.max(1, Math.floor(budget / Math.max(1, unfinished.length)));
  return unfinished
    .slice(0, Math.max(1, budget))
    .map(({ row, sequence, rest }) => ({ row, sequence, ids: rest.slice(0, share) }));
}

function sequenceHandle(holder: EngineHolder, sequence: number): LanguageModelSequence {
  const { use, current } = holder;
  const { vocabSize } = use().config;
  // Appends wait for each other; what changes the length meanwhile would confuse them.
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const expectIdle = () => {
    if (waiting > 0) throw sequenceBusy(sequence);
  };
  return {
    vocabSize,
    get length() {
      return use().engine.length(sequence);
    },
    append: (ids, { signal } = {}) => {
      waiting += 1;
      const result = last.then(() => append(use(), sequence, ids, signal));
      const settle = () => {
        waiting -= 1;
      };
      last = result.then(settle, settle);
      return result;
    },
    fork: (length) => {
      expectIdle();
      return sequenceHandle(holder, use().engine.fork(sequence, length));
    },
    rollback: (length) => {
      expectIdle();
      use().engine.rollback(sequence, length);
    },
    // A closed model holds no sequence.
    close: () => current()?.engine.close(sequence),
  };
}

function sequenceBusy(sequence: number): BaichuanError {
  return new BaichuanError('sequence-busy', {
    where: `sequence ${sequence}`,
    what: 'Tokens are being appended to this sequence.',
    fix: 'Wait for append before a fork or a rollback.',
  });
}

/** Appends a prompt chunk by chunk; a stop on the way leaves the sequence as it was.
 *  @returns logits of the last id `[V]` */
async function append(
  { config, engine, contextLength }: EngineState,
  sequence: number,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const before = engine.length(sequence);
  checkTokenIds(ids, config.vocabSize, 'ids', contextLength - before);
  try {
    let logits: Float32Array = new Float32Array(0);
    for (let start = 0; start < ids.length; ) {
      const chunk = ids.slice(start, start + engine.chunkTokens);
      ({ logits } = await engine.run([{ sequence, ids: chunk }], { logits: 'last', signal }));
      start += chunk.length;
    }
    return logits;
  } catch (error) {
    engine.rollback(sequence, before);
    throw error;
  }
}
