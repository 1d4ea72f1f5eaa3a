/** What a trace of T tokens will hold, known before anything is computed: names, shapes, and how
 *  many tokens may go through the model at once, so that a trace is written as it is recorded. */

import type { BaichuanConfig } from '../config.ts';
import {
  compareTracePlaces,
  LAYER_TRACE_KINDS,
  type TraceKind,
  type TracePlace,
  traceName,
  tracePoint,
} from '../model/trace-points.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { TapFilter } from '../verify/trace.ts';

/** A tensor of a trace. */
export interface PlannedTensor {
  readonly name: string;
  readonly kind: TraceKind;
  readonly shape: readonly number[];
}

/** Bytes of activations that one pass may give. */
const PASS_BYTES = 256 * 2 ** 20;

const OUTSIDE: readonly TraceKind[] = ['inputIds', 'embedding', 'finalNorm', 'lmHead', 'logits'];
const ROTARY: ReadonlySet<TraceKind> = new Set(['queryRotated', 'keyRotated']);

/** Every tensor that a model shows of T tokens, in the order of execution, `input_ids` included. */
export function planTrace(config: BaichuanConfig, T: number): PlannedTensor[] {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V } = config;
  const { numAttentionHeads: H, headDim: D, numHiddenLayers, position } = config;
  const sizes: Readonly<Record<string, number>> = { T, S: T, C, '3C': 3 * C, F, V, H, D };
  const inLayers = LAYER_TRACE_KINDS.filter((kind) => position === 'rope' || !ROTARY.has(kind));
  const places: TracePlace[] = OUTSIDE.map((kind) => ({ kind, layer: 0 }));
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    places.push(...inLayers.map((kind) => ({ kind, layer })));
  }
  return places.sort(compareTracePlaces).map(({ kind, layer }) => {
    const shape = tracePoint(kind).axes.map((axis) => sizes[axis]);
    return { name: traceName(kind, layer), kind, shape };
  });
}

/** Tokens that may go through the model together, at least one.
 *  @param plan of T tokens @param filter chooses what is recorded */
export function tokensOfPass(plan: readonly PlannedTensor[], T: number, filter: TapFilter): number {
  const elements = plan
    .filter(({ name }) => filter(name))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const bytesOfToken = (elements / Math.max(1, T)) * Float32Array.BYTES_PER_ELEMENT;
  return Math.max(1, Math.floor(PASS_BYTES / Math.max(1, bytesOfToken)));
}
