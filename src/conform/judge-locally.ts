/** Judges every operation of a trace alone: each is computed from what the backend itself recorded
 *  as its input, and held to the rounding of that one operation, so that an early fault does not
 *  hide a later one. Where an input was not recorded, the chain of operations since the last
 *  recorded one is judged together. */

import { BaichuanError } from '../errors.ts';
import {
  compareTracePlaces,
  LAYER_TRACE_KINDS,
  type TraceKind,
  type TracePlace,
  traceInputs,
  traceName,
  tracePlace,
} from '../model/trace-points.ts';
import { type ArithmeticClass, MOST_NMSE } from '../verify/bars.ts';
import { collectStatistics, MASKED_BELOW } from '../verify/statistics.ts';
import type { TensorVerdict } from './compare-traces.ts';
import { type FirstElement, firstInPiece, rotarySlack } from './pieces.ts';
import type { ReferenceModel } from './reference-model.ts';
import { barOf } from './roundings.ts';
import { type ReferenceSetup, runStage, type Stage } from './stage.ts';
import { findEntry, readRow, type TraceSource } from './trace-source.ts';

export interface LocalVerdict extends TensorVerdict {
  readonly stage: Stage;
  /** The first element beyond the bar. */
  readonly first: FirstElement | undefined;
}

/** What a stage computes from, and what the backend recorded of it. */
export interface StageEvidence {
  readonly stage: Stage;
  readonly input: Float32Array | undefined;
  readonly recorded: ReadonlyMap<string, Float32Array>;
  /** Layers before this stage that were computed because no input was recorded; 0 by default. */
  readonly chained?: number;
  /** Whether the input was computed, so that nothing that it enters is judged alone. */
  readonly isComputed?: boolean;
  /** The largest score recorded of the stage, if any. */
  readonly scoreScale: number | undefined;
}

/** All stages of a model, in the order of execution. */
export function stagesOf(layers: number): Stage[] {
  return ['embedding', ...Array.from({ length: layers }, (_, layer) => layer), 'head'];
}

/** Reads what a trace has of a stage. @param row of a batch */
export async function readEvidence(
  trace: TraceSource,
  stage: Stage,
  layers: number,
  row: number,
): Promise<StageEvidence> {
  const recorded = new Map<string, Float32Array>();
  for (const { kind, layer } of placesOf(stage)) {
    const name = traceName(kind, layer);
    const entry = findEntry(trace, name);
    if (entry !== undefined) recorded.set(name, Float32Array.from(await readRow(entry, row)));
  }
  const before = inputName(stage, layers);
  const entry = before === undefined ? undefined : findEntry(trace, before);
  const input = entry && Float32Array.from(await readRow(entry, row));
  const scores = typeof stage === 'number' ? recorded.get(traceName('scores', stage)) : undefined;
  return { stage, input, recorded, scoreScale: scores && largestScore(scores) };
}

function placesOf(stage: Stage): TracePlace[] {
  if (stage === 'embedding') return [{ kind: 'embedding', layer: 0 }];
  const head: TraceKind[] = ['finalNorm', 'lmHead', 'logits'];
  const layer = stage === 'head' ? 0 : stage;
  return (stage === 'head' ? head : LAYER_TRACE_KINDS).map((kind) => ({ kind, layer }));
}

/** The name of what enters a stage. */
function inputName(stage: Stage, layers: number): string | undefined {
  if (stage === 'embedding') return undefined;
  const layer = stage === 'head' ? layers : stage;
  return layer === 0 ? traceName('embedding') : traceName('layer', layer - 1);
}

/** Sees what was computed; the values are valid during the call. */
export type Observer = (name: string, shape: readonly number[], computed: Float32Array) => void;

export interface JudgeOptions {
  readonly arithmetic: ArithmeticClass;
  /** Whether to look for the first element beyond. */
  readonly locates?: boolean;
  /** Sees everything that is computed, recorded or not. */
  readonly watch?: Observer | undefined;
}

/** Compares what a stage computes with what was recorded of it.
 *  @returns verdicts, and what leaves the stage */
export function judgeStage(
  model: ReferenceModel,
  setup: ReferenceSetup,
  evidence: StageEvidence,
  { arithmetic, locates = false, watch }: JudgeOptions,
): { verdicts: LocalVerdict[]; output: Float32Array } {
  const { stage, input, recorded, scoreScale, chained = 0, isComputed = false } = evidence;
  const { config, ids } = setup;
  const verdicts: LocalVerdict[] = [];
  const sizes = {
    ...{ T: ids.length, C: config.hiddenSize, F: config.intermediateSize },
    ...{ V: config.vocabSize, H: config.numAttentionHeads, D: config.headDim },
  };
  const { position } = config;
  const context = { arithmetic, sizes, position, layers: chained + 1 };
  const before = inputName(stage, model.config.numHiddenLayers);
  const isRecorded = ({ kind, layer }: TracePlace) => {
    const name = traceName(kind, layer);
    return recorded.has(name) || (name === before && input !== undefined && !isComputed);
  };
  const observe: Observer = (name, shape, computed) => {
    watch?.(name, shape, computed);
    const place = tracePlace(name);
    const values = recorded.get(name);
    if (place === undefined || values === undefined || !model.judges(place)) return;
    if (values.length !== computed.length) throw wrongSize(name, values.length, computed.length);
    const statistics = collectStatistics();
    const row = place.kind === 'queryRotated' || place.kind === 'keyRotated' ? config.headDim : 0;
    addRows(statistics, computed, values, { row, T: ids.length });
    const measured = statistics.result();
    const alone = inputsOf(place, position, before).every(isRecorded);
    const bar = barOf({ ...place, layer: chained }, context, alone, scoreScale);
    const isWithin = measured.excess <= bar && measured.nmse <= MOST_NMSE;
    const status = isWithin ? 'within' : 'beyond';
    const allowed = measured.excess > bar ? bar * measured.largest : 0;
    const piece = { start: 0, expected: computed, found: values };
    const options = { allowed, headDim: config.headDim };
    const first =
      status === 'within' || !locates
        ? undefined
        : firstInPiece({ kind: place.kind, shape }, piece, options);
    verdicts.push({ name, ...place, status, statistics: measured, bar, alone, stage, first });
  };
  const job = { stage, input, recorded: (name: string) => recorded.get(name), observe };
  const output = runStage(setup, job);
  verdicts.sort(compareTracePlaces);
  return { verdicts, output };
}

/** The names that a point is computed from; the final norm from what enters the head's stage. */
function inputsOf(place: TracePlace, position: 'rope' | 'alibi', before?: string): TracePlace[] {
  if (place.kind !== 'finalNorm') return traceInputs(place, position);
  return [tracePlace(before ?? '') ?? place];
}

function addRows(
  statistics: ReturnType<typeof collectStatistics>,
  computed: Float32Array,
  found: Float32Array,
  { row, T }: { row: number; T: number },
): void {
  if (row === 0) {
    statistics.add(computed, found);
    return;
  }
  for (let at = 0; at < computed.length; at += row) {
    const expected = computed.subarray(at, at + row);
    const slack = rotarySlack(expected, (at / row) % T);
    statistics.add(expected, found.subarray(at, at + row), slack);
  }
}

function largestScore(scores: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < scores.length; i++) {
    if (scores[i] >= MASKED_BELOW) largest = Math.max(largest, Math.abs(scores[i]));
  }
  return largest;
}

function wrongSize(name: string, found: number, expected: number): BaichuanError {
  return new BaichuanError('trace-shape', {
    where: name,
    what: `The trace has ${found} elements there, where the model has ${expected}.`,
    fix: 'Give the model that the trace was recorded from, and the same prompt.',
    expected,
    found,
  });
}
