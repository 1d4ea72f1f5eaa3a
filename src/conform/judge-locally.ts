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
import type { ArithmeticClass } from '../verify/bars.ts';
import { collectStatistics, MASKED_BELOW } from '../verify/statistics.ts';
import type { TensorVerdict } from './compare-traces.ts';
import { type FirstElement, firstInPiece, rotarySlack } from './pieces.ts';
import type { ReferenceModel } from './reference-model.ts';
import { type ReferenceSetup, runWindow, type Window } from './reference-window.ts';
import { barOf } from './roundings.ts';
import { findEntry, readRow, type TraceSource } from './trace-source.ts';

export interface LocalVerdict extends TensorVerdict {
  readonly window: Window;
  /** The first element beyond the bar. */
  readonly first: FirstElement | undefined;
}

/** What a window computes from, and what the backend recorded of it. */
export interface WindowEvidence {
  readonly window: Window;
  readonly input: Float32Array | undefined;
  readonly recorded: ReadonlyMap<string, Float32Array>;
  /** The largest score recorded of the window, if any. */
  readonly scoreScale: number | undefined;
}

/** All windows of a model, in the order of execution. */
export function windowsOf(layers: number): Window[] {
  return ['embedding', ...Array.from({ length: layers }, (_, layer) => layer), 'head'];
}

/** Reads what a trace has of a window. @param row of a batch */
export async function readEvidence(
  trace: TraceSource,
  window: Window,
  layers: number,
  row: number,
): Promise<WindowEvidence> {
  const recorded = new Map<string, Float32Array>();
  for (const { kind, layer } of placesOf(window)) {
    const name = traceName(kind, layer);
    const entry = findEntry(trace, name);
    if (entry !== undefined) recorded.set(name, Float32Array.from(await readRow(entry, row)));
  }
  const before = inputName(window, layers);
  const entry = before === undefined ? undefined : findEntry(trace, before);
  const input = entry && Float32Array.from(await readRow(entry, row));
  const scores = typeof window === 'number' ? recorded.get(traceName('scores', window)) : undefined;
  return { window, input, recorded, scoreScale: scores && largestScore(scores) };
}

function placesOf(window: Window): TracePlace[] {
  if (window === 'embedding') return [{ kind: 'embedding', layer: 0 }];
  const head: TraceKind[] = ['finalNorm', 'lmHead', 'logits'];
  const layer = window === 'head' ? 0 : window;
  return (window === 'head' ? head : LAYER_TRACE_KINDS).map((kind) => ({ kind, layer }));
}

/** The name of what enters a window. */
function inputName(window: Window, layers: number): string | undefined {
  if (window === 'embedding') return undefined;
  const layer = window === 'head' ? layers : window;
  return layer === 0 ? traceName('embedding') : traceName('layer', layer - 1);
}

/** Compares what a window computes with what was recorded of it.
 *  @param options.locates whether to look for the first element beyond
 *  @returns verdicts, and what leaves the window */
export function judgeWindow(
  model: ReferenceModel,
  setup: ReferenceSetup,
  evidence: WindowEvidence,
  { arithmetic, locates = false }: { arithmetic: ArithmeticClass; locates?: boolean },
): { verdicts: LocalVerdict[]; output: Float32Array } {
  const { window, input, recorded, scoreScale } = evidence;
  const { config, ids } = setup;
  const verdicts: LocalVerdict[] = [];
  const sizes = {
    ...{ T: ids.length, C: config.hiddenSize, F: config.intermediateSize },
    ...{ V: config.vocabSize, H: config.numAttentionHeads, D: config.headDim },
  };
  const { position } = config;
  const context = { arithmetic, sizes, position, layers: 1 };
  const before = inputName(window, model.config.numHiddenLayers);
  const isRecorded = ({ kind, layer }: TracePlace) => {
    const name = traceName(kind, layer);
    return recorded.has(name) || (name === before && input !== undefined);
  };
  const observe = (name: string, shape: readonly number[], computed: Float32Array) => {
    const place = tracePlace(name);
    const values = recorded.get(name);
    if (place === undefined || values === undefined || !model.judges(place)) return;
    if (values.length !== computed.length) throw wrongSize(name, values.length, computed.length);
    const statistics = collectStatistics();
    const row = place.kind === 'queryRotated' || place.kind === 'keyRotated' ? config.headDim : 0;
    addRows(statistics, computed, values, { row, T: ids.length });
    const measured = statistics.result();
    const alone = inputsOf(place, position, before).every(isRecorded);
    const bar = barOf({ ...place, layer: 0 }, context, alone, scoreScale);
    const status = measured.excess <= bar ? 'within' : 'beyond';
    const allowed = bar * measured.largest;
    const piece = { start: 0, expected: computed, found: values };
    const options = { allowed, headDim: config.headDim };
    const first =
      status === 'within' || !locates
        ? undefined
        : firstInPiece({ kind: place.kind, shape }, piece, options);
    verdicts.push({ name, ...place, status, statistics: measured, bar, alone, window, first });
  };
  const job = { window, input, recorded: (name: string) => recorded.get(name), observe };
  const output = runWindow(setup, job);
  verdicts.sort(compareTracePlaces);
  return { verdicts, output };
}

/** The names that a point is computed from; the final norm from what enters the head's window. */
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
