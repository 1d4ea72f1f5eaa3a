/** Runs a part of the model, a stage, on the published layers with reference kernels, and lets
 *  every activation be seen and exchanged on the way: what another backend recorded takes the place
 *  of what was computed, so that the next operation starts from the backend's own input and every
 *  operation is judged alone.
 *
 *  A stage is the embedding, one decoder layer, or the final norm with the head. */

import type { BaichuanConfig } from '../config.ts';
import type { AttentionOptions, Kernels, Place } from '../kernels/kernels.ts';
import { KvCache } from '../layers/kv-cache.ts';
import { forward } from '../model/baichuan.ts';
import { type TraceKind, traceName, tracePlace } from '../model/trace-points.ts';
import type { BaichuanWeights } from '../model/weights.ts';
import { float32, swapFirstAxes, type Tensor, tensorOf } from '../tensor/tensor.ts';
import {
  attentionProbs,
  attentionScores,
  attentionValues,
  type HeadShape,
  PUBLISHED_SCORES,
  type ScoreOptions,
} from './attention-parts.ts';

export type Stage = Place;

/** The three equations of attention, each to be changed by itself. */
export interface AttentionParts {
  scores(q: Float32Array, k: Float32Array, options: ScoreOptions): Float32Array;
  probs(scores: Float32Array, shape: HeadShape): Float32Array;
  values(probs: Float32Array, v: Float32Array, shape: HeadShape): Float32Array;
}

export const PUBLISHED_ATTENTION: AttentionParts = {
  scores: attentionScores,
  probs: attentionProbs,
  values: attentionValues,
};

/** All that a stage computes with; a known bug changes some of it. */
export interface ReferenceSetup {
  readonly config: BaichuanConfig;
  readonly weights: BaichuanWeights;
  readonly kernels: Kernels;
  readonly attention: AttentionParts;
  readonly ids: readonly number[];
  /** Changes what enters the first layer; nothing does in the model. @param x `[T, C]` */
  readonly afterEmbedding?: ((x: Float32Array) => Float32Array) | undefined;
}

export interface StageJob {
  readonly stage: Stage;
  /** What enters the stage, `[T, C]`; unused by the embedding. */
  readonly input: Float32Array | undefined;
  /** What the backend recorded at a point; undefined keeps what was computed. */
  recorded?(name: string): Float32Array | undefined;
  /** Sees what was computed, before it is exchanged. The values are valid during the call. */
  observe?(name: string, shape: readonly number[], computed: Float32Array): void;
}

/** Runs one stage. @returns what leaves it `[T, C]`, or logits `[T, V]` */
export function runStage(setup: ReferenceSetup, job: StageJob): Float32Array {
  const { stage, observe, recorded } = job;
  const { ids, config } = setup;
  const [arena] = setup.kernels.arenas;
  const T = ids.length;
  const offset = typeof stage === 'number' ? stage : 0;
  let result = job.input ?? new Float32Array(0);
  const exchange = (name: string, shape: readonly number[], values: Float32Array) => {
    observe?.(name, shape, values);
    const other = recorded?.(name);
    if (other !== undefined) values.set(other);
    return values;
  };
  const kernels = stageKernels(setup, job, (kind, shape, values) =>
    exchange(traceName(kind, offset), shape, values),
  );
  const tap = (name: string, tensor: Tensor) => {
    const place = tracePlace(name);
    if (place === undefined || OWN_POINTS.has(place.kind)) return;
    if (place.kind === 'embedding' && stage !== 'embedding') return;
    const values = exchange(traceName(place.kind, offset), tensor.shape, float32(tensor));
    if (END_POINTS.has(place.kind)) result = Float32Array.from(values);
  };
  const wants = (name: string) => tracePlace(name)?.kind === 'activated';
  const { numHiddenLayers: layers, numAttentionHeads: heads, headDim } = config;
  const kvCache = new KvCache(kernels, { layers, heads, headDim, contextLength: T });
  const segment = { sequence: kvCache.open(), start: 0, count: T, position: 0 };
  kvCache.reserve(segment);
  const pass = { tokenIds: ids, segments: [segment], logits: 'all' as const };
  const machine = { config, kernels, kvCache, tap: Object.assign(tap, { wants }) };
  const mark = arena.mark();
  const steps = forward(pass, setup.weights, machine);
  if (stage === 'embedding') {
    result = embed(setup, tap);
  } else {
    // A layer's stage ends before the head, whose weights it does not have.
    while (!steps.next().done) if (stage !== 'head') break;
  }
  arena.release(mark);
  return result;
}

/** Points that the kernels below show themselves. */
const OWN_POINTS: ReadonlySet<TraceKind> = new Set([
  'queryRotated',
  'keyRotated',
  'scores',
  'probs',
  'activated',
]);

/** What leaves a stage. */
const END_POINTS: ReadonlySet<TraceKind> = new Set(['embedding', 'layer', 'logits']);

function embed({ kernels, weights, ids }: ReferenceSetup, tap: (n: string, x: Tensor) => void) {
  const y = kernels.embedding(ids, weights.embedTokens.table);
  tap(traceName('embedding'), y);
  return Float32Array.from(float32(y));
}

type Exchange = (kind: TraceKind, shape: readonly number[], values: Float32Array) => Float32Array;

/** Kernels that keep the keys and values of the one prompt, and show what is inside attention. */
function stageKernels(setup: ReferenceSetup, job: StageJob, exchange: Exchange): Kernels {
  const { kernels, attention, config } = setup;
  const T = setup.ids.length;
  const { hiddenSize: C, numAttentionHeads: H, headDim: D } = config;
  let rotations = 0;
  let [keys, values] = [new Float32Array(0), new Float32Array(0)];
  const input = job.input ?? new Float32Array(T * C);
  const entering = job.stage === 0 ? setup.afterEmbedding?.(input) : undefined;
  return {
    ...kernels,
    embedding: () => tensorOf(Float32Array.from(entering ?? input), [T, C]),
    createBlock: (_layer, heads, headDim) => ({ heads, headDim }),
    copyBlock: () => {},
    rotateHalves(x, cos, sin) {
      const y = kernels.rotateHalves(x, cos, sin);
      const kind = rotations++ % 2 === 0 ? 'queryRotated' : 'keyRotated';
      const swapped = swapFirstAxes(y);
      exchange(kind, swapped.shape, float32(swapped));
      return swapFirstAxes(swapped);
    },
    siluMul(gate, up, activated) {
      const y = kernels.siluMul(gate, up, activated);
      if (activated === null) return y;
      const computed = Float32Array.from(float32(activated));
      const taken = exchange('activated', gate.shape, float32(activated));
      regate(float32(y), computed, taken);
      return y;
    },
    appendKeyValue(key, value) {
      [keys, values] = [Float32Array.from(float32(key)), Float32Array.from(float32(value))];
    },
    attention(q, _cache, { scale, slopes }: AttentionOptions, target) {
      const shape = { T, H, D };
      const options = { ...shape, ...PUBLISHED_SCORES, scale, slopes };
      const query = Float32Array.from(float32(q));
      const scores = exchange('scores', [H, T, T], attention.scores(query, keys, options));
      const probs = exchange('probs', [H, T, T], attention.probs(scores, shape));
      float32(target).set(attention.values(probs, values, shape));
    },
  };
}

/** The gated product with another activation: y · taken / computed, untouched where they agree.
 *  @param y (overwritten) */
function regate(y: Float32Array, computed: Float32Array, taken: Float32Array): void {
  for (let i = 0; i < y.length; i++) {
    if (taken[i] !== computed[i] && computed[i] !== 0) y[i] = taken[i] * (y[i] / computed[i]);
  }
}
