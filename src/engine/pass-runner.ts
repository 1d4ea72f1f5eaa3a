/** Runs passes one after the other on the caller's thread without holding it for long.
 *
 *  Kernels are synchronous; between two layers the runner looks at the abort signal and, after
 *  20 ms of work, lets the event loop take a turn. A prompt goes through in chunks that are cut to
 *  the speed observed, so that a turn comes at least every 50 ms on models small enough for one
 *  layer of one token to take less. Chunks do not change a bit of the logits. */

import { makeTurns } from '../generate/turns.ts';
import type { Segment, Tap } from '../layers/context.ts';
import { forward, type Machine, type Pass } from '../model/baichuan.ts';
import type { BaichuanWeights } from '../model/weights.ts';
import { float32 } from '../tensor/tensor.ts';
import { throwIfAborted } from './abort.ts';
import { asMemoryError } from './memory-error.ts';

/** The longest time that a pass keeps the event loop waiting. */
const TURN_MS = 20;

/** The time that a layer should take for a chunk: with the turns above, 30 ms in a row at most. */
const STEP_MS = 10;

/** Tokens in the first chunk, before the speed is known, and at most. */
const FIRST_CHUNK = 1;
const MAX_CHUNK = 64;

/** Ids that continue a sequence of the cache. */
export interface PassPart {
  readonly sequence: number;
  readonly ids: readonly number[];
}

export interface PassOptions {
  readonly logits: 'all' | 'last';
  readonly signal?: AbortSignal | undefined;
  readonly tap?: Tap | undefined;
}

export interface PassRunner {
  /** Tokens that the next chunk of a prompt should have. */
  readonly chunkTokens: number;
  /** Runs one pass and commits it to the cache, or leaves the cache as it was.
   *  @returns logits `[rows, V]` @throws aborted, context-length */
  run(parts: readonly PassPart[], options: PassOptions): Promise<Float32Array>;
}

/** A runner for one machine; its passes wait for each other. */
export function createPassRunner(machine: Machine, weights: BaichuanWeights): PassRunner {
  let previous: Promise<unknown> = Promise.resolve();
  let chunkTokens = FIRST_CHUNK;
  const takeTurn = makeTurns(TURN_MS);

  async function runAlone(parts: readonly PassPart[], options: PassOptions): Promise<Float32Array> {
    const { arena, kvCache } = machine;
    throwIfAborted(options.signal);
    const segments = segmentsOf(parts, machine);
    for (const segment of segments) kvCache.reserve(segment);
    const tokenIds = parts.flatMap(({ ids }) => ids);
    const pass = { tokenIds, segments, logits: options.logits };

    const mark = arena.mark();
    try {
      const { logits, slowestStepMs } = await drain(pass, weights, machine, {
        ...options,
        takeTurn,
      });
      const fitting = Math.floor((STEP_MS * tokenIds.length) / Math.max(slowestStepMs, 0.01));
      chunkTokens = Math.min(MAX_CHUNK, 2 * chunkTokens, Math.max(1, fitting));
      for (const segment of segments) kvCache.commit(segment);
      return logits;
    } catch (error) {
      throw asMemoryError(error, 'the activations and the cache of this prompt');
    } finally {
      arena.release(mark);
    }
  }

  return {
    get chunkTokens() {
      return chunkTokens;
    },
    run(parts, options) {
      const result = previous.then(() => runAlone(parts, options));
      previous = result.catch(() => undefined);
      return result;
    },
  };
}

/** Where each part's rows lie in the pass and at which position they continue. */
function segmentsOf(parts: readonly PassPart[], { kvCache }: Machine): Segment[] {
  let start = 0;
  return parts.map(({ sequence, ids }) => {
    const segment = { sequence, start, count: ids.length, position: kvCache.length(sequence) };
    start += ids.length;
    return segment;
  });
}

async function drain(
  pass: Pass,
  weights: BaichuanWeights,
  machine: Machine,
  { signal, tap, takeTurn }: PassOptions & { takeTurn: () => Promise<void> },
): Promise<{ logits: Float32Array; slowestStepMs: number }> {
  const steps = forward(pass, weights, { ...machine, tap });
  let slowestStepMs = 0;
  for (;;) {
    const stepStart = performance.now();
    const step = steps.next();
    slowestStepMs = Math.max(slowestStepMs, performance.now() - stepStart);
    if (step.done) return { logits: Float32Array.from(float32(step.value)), slowestStepMs };
    await takeTurn();
    throwIfAborted(signal);
  }
}
