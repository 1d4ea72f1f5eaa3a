/** Compares two traces, tensor by tensor in the order of execution, reading both piece by piece. */

import { BaichuanError } from '../errors.ts';
import {
  compareTracePlaces,
  type TraceKind,
  type TracePlace,
  traceInputs,
  traceName,
  tracePoint,
} from '../model/trace-points.ts';
import { elementCount } from '../tensor/tensor.ts';
import { type ArithmeticClass, MOST_NMSE } from '../verify/bars.ts';
import type { LogitsStatistics } from '../verify/logits.ts';
import type { TensorStatistics } from '../verify/statistics.ts';
import { classOf, expectComparable, expectSameShape, isPermutation } from './comparable.ts';
import { comparePieces, type FirstElement, firstBeyond } from './pieces.ts';
import { type BarContext, barOf } from './roundings.ts';
import { scoreScaleOf } from './score-scale.ts';
import { layersOf, positionOf, promptsOf, sizesOf } from './trace-model.ts';
import { findEntry, type TraceEntry, type TraceSource } from './trace-source.ts';

/** `not-recorded` is missing too, but no forward hook could have seen it. */
export type TensorStatus = 'within' | 'beyond' | 'missing' | 'not-recorded' | 'axes';

export interface TensorVerdict extends TracePlace {
  readonly name: string;
  readonly status: TensorStatus;
  /** Undefined where nothing was compared. */
  readonly statistics?: TensorStatistics | undefined;
  readonly bar?: number | undefined;
  /** Whether everything it is computed from agrees bit for bit, so that the bar is its own. */
  readonly alone?: boolean | undefined;
  readonly logits?: LogitsStatistics | undefined;
  /** Shapes that hold the same axes in another order. */
  readonly shapes?: readonly [readonly number[], readonly number[]] | undefined;
}

/** The first element beyond its bar; numbers are null where a whole tensor is at fault. */
export interface FirstDifference {
  readonly name: string;
  readonly position: number | null;
  readonly head: number | null;
  readonly channel: number | null;
  readonly expected: number | null;
  readonly found: number | null;
}

/** The place of a whole tensor. */
export const NOWHERE = { position: null, head: null, channel: null, expected: null, found: null };

export interface TraceComparison {
  readonly pass: boolean;
  readonly class: ArithmeticClass;
  readonly first: FirstDifference | null;
  /** In the order of execution. */
  readonly tensors: readonly TensorVerdict[];
}

export interface CompareOptions {
  /** Arithmetic class of the backend; by default as EXPECTED's metadata says, else f32. */
  readonly class?: string | undefined;
  /** Chooses tensors by name; all by default. */
  readonly filter?: ((name: string) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Compares every expected tensor with the one found.
 *  @throws trace-class, trace-model, trace-prompt, trace-vocabulary, trace-shape, trace-empty,
 *  aborted, io-… */
export async function compareTraces(
  expected: TraceSource,
  found: TraceSource,
  options: CompareOptions = {},
): Promise<TraceComparison> {
  const arithmetic = classOf(expected, options.class);
  await expectComparable(expected, found, arithmetic);
  const sizes = { ...sizesOf(expected) };
  const [position, layers] = [positionOf(expected), Math.max(layersOf(expected), layersOf(found))];
  const context: BarContext = { arithmetic, sizes, position, layers };
  const labels = (await promptsOf(expected))?.flat();
  const { signal } = options;
  const tensors: TensorVerdict[] = [];
  for (const entry of chosenEntries(expected, options.filter)) {
    tensors.push(await judge(entry, { expected, found, context, tensors, labels, signal }));
  }
  const isAbsent = ({ status }: TensorVerdict) => status === 'missing' || status === 'not-recorded';
  if (tensors.every(isAbsent)) throw nothingShared(found);
  const first = await locateFirst(tensors, expected, found, sizes.D);
  return { pass: first === null, class: arithmetic, first, tensors };
}

type KnownEntry = TraceEntry & { readonly kind: TraceKind };

function chosenEntries(expected: TraceSource, filter = (_name: string) => true): KnownEntry[] {
  const known = [...expected.entries.values()].filter(
    (entry): entry is KnownEntry => entry.kind !== undefined && filter(entry.name),
  );
  return known.sort(compareTracePlaces);
}

interface JudgeContext {
  readonly expected: TraceSource;
  readonly found: TraceSource;
  readonly context: BarContext;
  /** Verdicts so far. */
  readonly tensors: readonly TensorVerdict[];
  readonly labels: readonly number[] | undefined;
  readonly signal: AbortSignal | undefined;
}

async function judge(
  entry: KnownEntry,
  { expected, found: trace, context, tensors, labels, signal }: JudgeContext,
): Promise<TensorVerdict> {
  const { name, kind, layer } = entry;
  const place = { name, kind, layer };
  const found = findEntry(trace, name);
  if (found === undefined) return { ...place, status: missingStatus(kind, trace) };
  if (isPermutation(entry, found)) {
    return { ...place, status: 'axes', shapes: [entry.shape, found.shape] };
  }
  expectSameShape(entry, found, trace.name);
  const path = barOf(place, context, false);
  const { statistics, logits } = await comparePieces(entry, found, { labels, bar: path, signal });
  const verdictOf = (input: TracePlace) =>
    tensors.find((other) => other.name === traceName(input.kind, input.layer));
  const inputs = traceInputs(place, context.position, context.layers);
  const alone =
    inputs.length > 0 && inputs.every((input) => verdictOf(input)?.statistics?.maxAbs === 0);
  const scores =
    verdictOf({ kind: 'scores', layer })?.statistics?.largest ??
    (kind === 'probs' ? await scoreScaleOf(expected, layer, context) : undefined);
  const bar = barOf(place, context, alone || kind === 'inputIds', scores);
  const isWithin = statistics.excess <= bar && statistics.nmse <= MOST_NMSE;
  const status = isWithin ? 'within' : 'beyond';
  return { ...place, status, statistics, bar, alone, logits };
}

/** What no hook can see may be left out of a trace altogether; `input_ids` too, as the embedding
 *  shows whether the prompt is the same. */
function missingStatus(kind: TraceKind, trace: TraceSource): TensorStatus {
  const recordsKind = [...trace.entries.values()].some((entry) => entry.kind === kind);
  return tracePoint(kind).isModule || recordsKind ? 'missing' : 'not-recorded';
}

async function locateFirst(
  tensors: readonly TensorVerdict[],
  expected: TraceSource,
  found: TraceSource,
  headDim: number | undefined,
): Promise<FirstDifference | null> {
  const beyond = tensors.find(({ status }) => status === 'beyond' || status === 'axes');
  if (beyond === undefined) {
    const missing = tensors.find(({ status }) => status === 'missing');
    return missing === undefined ? null : { name: missing.name, ...NOWHERE };
  }
  const { name, statistics, bar = 0 } = beyond;
  const pair = [findEntry(expected, name), findEntry(found, name)] as const;
  if (pair[0] === undefined || pair[1] === undefined || statistics === undefined) {
    return { name, ...NOWHERE };
  }
  // Where the whole is too far off and no element is, all that differs is.
  const allowed = statistics.excess > bar ? bar * statistics.largest : 0;
  const element: FirstElement | undefined = await firstBeyond(pair[0], pair[1], {
    allowed,
    headDim,
  });
  return { name, ...NOWHERE, ...element };
}

function nothingShared(found: TraceSource): BaichuanError {
  return new BaichuanError('trace-empty', {
    file: found.name,
    what: 'It has none of the tensors that are expected.',
    fix: 'Record the same activations in both traces, by module path.',
  });
}

/** Elements of a tensor's shape, batch included. */
export function entryCount({ batch, shape }: TraceEntry): number {
  return batch * elementCount(shape);
}
