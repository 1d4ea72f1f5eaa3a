/** Runs passes one after the other.
 *
 *  Kernels are synchronous. In the caller's thread the runner looks at the abort signal between two
 *  layers and, after 20 ms of work, lets the event loop take a turn; a prompt goes through in
 *  chunks that are cut to the speed observed, so that a turn comes at least every 50 ms on models
 *  small enough for one layer of one token to take less. In a thread of its own it needs neither:
 *  chunks are large and the kernels themselves look at a flag. Chunks do not change a bit. */

import { throwIfAborted } from '../abort.ts';
import type { BaichuanConfig } from '../config.ts';
import type { Segment, Tap } from '../layers/context.ts';
import { forward, type Machine, type Pass } from '../model/baichuan.ts';
import type { BaichuanWeights } from '../model/weights.ts';
import { elementCount, float32, type Tensor } from '../tensor/tensor.ts';
import { makeTurns } from '../turns.ts';
import { tapFilter } from '../verify/trace.ts';
import type { Activation, PassPart, PassResult, RunOptions } from './engine.ts';
import { asMemoryError } from './memory-error.ts';

/** The longest time that a pass keeps the event loop waiting. */
const TURN_MS = 20;

/** The time that a layer should take for a chunk: with the turns above, 30 ms in a row at most. */
const STEP_MS = 10;

/** Tokens in the first chunk of the caller's thread, before the speed is known. */
const FIRST_CHUNK = 1;

/** Tokens in a chunk of any model, at most: so many meet a weight that is unpacked once. */
const MAX_CHUNK = 64;

/** Bytes that gate, up and their product may take in a chunk. Every bank has room for one chunk:
 *  13B has three banks, and is no faster with 48 tokens than with 24. */
const WIDEST_BYTES = 4 * 2 ** 20;

/** Tokens in a chunk, at most: a multiple of 8, unless the model is too wide for that. */
export function maxChunk({ intermediateSize }: BaichuanConfig): number {
  const bytesPerToken = 3 * intermediateSize * Float32Array.BYTES_PER_ELEMENT;
  const fitting = Math.min(MAX_CHUNK, Math.floor(WIDEST_BYTES / bytesPerToken));
  return fitting < 8 ? Math.max(1, fitting) : fitting - (fitting % 8);
}

export interface PassRunner {
  /** Tokens that the next chunk of a prompt should have. */
  readonly chunkTokens: number;
  /** See `Engine.run`. */
  run(parts: readonly PassPart[], options: RunOptions): Promise<PassResult>;
}

/** A runner for one machine; its passes wait for each other.
 *  @param turns whether others need their turns in this thread */
export function createPassRunner(
  machine: Machine,
  weights: BaichuanWeights,
  turns: boolean,
): PassRunner {
  let previous: Promise<unknown> = Promise.resolve();
  const mostTokens = maxChunk(machine.config);
  let chunkTokens = turns ? FIRST_CHUNK : mostTokens;
  const takeTurn = turns ? makeTurns(TURN_MS) : undefined;

  async function runAlone(parts: readonly PassPart[], options: RunOptions): Promise<PassResult> {
    const { kernels, kvCache } = machine;
    throwIfAborted(options.signal);
    const segments = segmentsOf(parts, machine);
    const marks = kernels.arenas.map((arena) => arena.mark());
    try {
      for (const segment of segments) kvCache.reserve(segment);
      const tokenIds = parts.flatMap(({ ids }) => Array.from(ids));
      const pass = { tokenIds, segments, logits: options.logits };
      const observer = createObserver(options.taps);
      const tapped = { ...machine, tap: observer.tap };
      const { logits, slowestStepMs } = await drain(pass, weights, tapped, options, takeTurn);
      if (turns) {
        const fitting = Math.floor((STEP_MS * tokenIds.length) / Math.max(slowestStepMs, 0.01));
        chunkTokens = Math.min(mostTokens, 2 * chunkTokens, Math.max(1, fitting));
      }
      for (const segment of segments) kvCache.commit(segment);
      return { logits, activations: observer.activations };
    } catch (error) {
      throw asMemoryError(error, 'the activations and the cache of this prompt');
    } finally {
      kernels.arenas.forEach((arena, index) => {
        arena.release(marks[index]);
      });
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
  { signal }: RunOptions,
  takeTurn: (() => Promise<void>) | undefined,
): Promise<{ logits: Float32Array; slowestStepMs: number }> {
  const steps = forward(pass, weights, machine);
  let slowestStepMs = 0;
  for (;;) {
    const stepStart = performance.now();
    const step = steps.next();
    slowestStepMs = Math.max(slowestStepMs, performance.now() - stepStart);
    if (step.done) return { logits: copyOf(step.value), slowestStepMs };
    if (takeTurn === undefined) continue;
    await takeTurn();
    throwIfAborted(signal);
  }
}

/** Copies what a trace wants. @param taps patterns, or undefined where nobody traces */
function createObserver(taps: readonly string[] | undefined) {
  const activations: Activation[] = [];
  if (taps === undefined) return { tap: undefined, activations };
  const wants = tapFilter(taps);
  const record = (name: string, tensor: Tensor, segment?: Segment) => {
    if (!wants(name)) return;
    activations.push({ name, shape: tensor.shape, values: copyOf(tensor), segment });
  };
  const tap: Tap = Object.assign(record, { wants });
  return { tap, activations };
}

/** The numbers in memory of their own, which may be handed to another thread. */
function copyOf(tensor: Tensor): Float32Array {
  const copy = new Float32Array(elementCount(tensor.shape));
  copy.set(float32(tensor));
  return copy;
}
