/** Which kind of rounding each point of a trace carries, and how long its sums are. */

import { type TraceKind, type TracePlace, tracePoint } from '../model/trace-points.ts';
import { type ArithmeticClass, operationBar, pathBar, type Rounding } from '../verify/bars.ts';
import type { TraceSizes } from './trace-model.ts';

const ROUNDINGS: Readonly<Record<TraceKind, readonly [Rounding, keyof TraceSizes]>> = {
  inputIds: ['copy', 'T'],
  embedding: ['lookup', 'C'],
  inputNorm: ['norm', 'C'],
  wPack: ['weights', 'C'],
  queryRotated: ['elementwise', 'D'],
  keyRotated: ['elementwise', 'D'],
  scores: ['sum', 'D'],
  probs: ['softmax', 'T'],
  joined: ['sum', 'T'],
  oProj: ['weights', 'C'],
  attention: ['copy', 'C'],
  postNorm: ['norm', 'C'],
  gate: ['weights', 'C'],
  up: ['weights', 'C'],
  activated: ['elementwise', 'F'],
  gated: ['elementwise', 'F'],
  down: ['weights', 'F'],
  mlp: ['copy', 'C'],
  layer: ['elementwise', 'C'],
  finalNorm: ['norm', 'C'],
  lmHead: ['weights', 'C'],
  logits: ['copy', 'V'],
};

const COPIES: Partial<Record<TraceKind, TraceKind>> = {
  attention: 'oProj',
  mlp: 'down',
  logits: 'lmHead',
};

export interface BarContext {
  readonly arithmetic: ArithmeticClass;
  readonly sizes: TraceSizes;
  readonly position: 'rope' | 'alibi';
  /** Decoder layers of the model, as far as the trace shows. */
  readonly layers: number;
}

/** The bar of a point.
 *  @param alone whether what it is computed from agrees bit for bit
 *  @param scoreScale largest score of its layer, for probabilities */
export function barOf(
  place: TracePlace,
  context: BarContext,
  alone: boolean,
  scoreScale?: number,
): number {
  const { arithmetic, sizes, position, layers } = context;
  // What is copied has come the way of what it is a copy of.
  const [rounding, axis] = ROUNDINGS[alone ? place.kind : (COPIES[place.kind] ?? place.kind)];
  const length = sizes[axis] ?? 1;
  const operation = { rounding, length, scoreScale };
  if (alone) return operationBar(operation, arithmetic);
  const { order } = tracePoint(place.kind);
  const isAfter = order >= tracePoint('finalNorm').order;
  const isBefore = order <= tracePoint('embedding').order;
  const depth = isBefore ? 0 : isAfter ? layers : place.layer + 1;
  const rotaryPositions = position === 'rope' ? (sizes.T ?? 1) : 0;
  return pathBar({ ...operation, depth, hiddenSize: sizes.C ?? 1, rotaryPositions }, arithmetic);
}
