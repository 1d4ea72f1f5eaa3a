/** The whole comparison of another backend with the model: two traces, or one trace and a model,
 *  and what the difference looks like. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { traceName } from '../model/trace-points.ts';
import { type ArithmeticClass, isArithmeticClass } from '../verify/bars.ts';
import { classOf, expectFits } from './comparable.ts';
import {
  type CompareOptions,
  compareTraces,
  NOWHERE,
  type TraceComparison,
} from './compare-traces.ts';
import { type Diagnosis, judgeLocally } from './diagnose.ts';
import type { LocalVerdict, Observer } from './judge-locally.ts';
import { checkpointModel } from './reference-model.ts';
import { replayModel } from './replay-model.ts';
import { findTraceFaults, rowOf } from './trace-faults.ts';
import { inferConfig, promptsOf, sizesOf } from './trace-model.ts';
import type { TraceSource } from './trace-source.ts';
import { unrecordedNotes, withMissing } from './unrecorded.ts';

/** A comparison with what it looks like, the likeliest first. */
export interface BackendComparison extends TraceComparison {
  readonly diagnosis: readonly Diagnosis[];
  /** What a reader of the verdict should know, a sentence each. */
  readonly notes?: readonly string[] | undefined;
}

/** A model whose weights can be read. */
export interface ModelToCompare {
  readonly config: BaichuanConfig;
  readonly checkpoint: Checkpoint;
}

/** Compares the trace of a backend with an expected one, and names what the difference looks like.
 *  @param options.model makes the diagnosis sharper: bugs of weights are told apart with it only
 *  @throws trace-…, io-…, aborted */
export async function compareBackends(
  expected: TraceSource,
  found: TraceSource,
  options: CompareOptions & { readonly model?: ModelToCompare | undefined } = {},
): Promise<BackendComparison> {
  const { model: given } = options;
  if (given !== undefined) for (const trace of [expected, found]) expectFits(trace, given.config);
  const comparison = await compareTraces(expected, found, options);
  const beyond = comparison.tensors.find(({ status }) => status === 'beyond');
  const faults = await findTraceFaults(expected, found, comparison);
  const config = given?.config ?? inferConfig(expected, found) ?? inferConfig(found, expected);
  if (beyond === undefined || config === undefined) return { ...comparison, diagnosis: faults };
  const row = rowOf(beyond, expected);
  const model =
    given === undefined
      ? replayModel(config, expected, comparison.tensors, row)
      : checkpointModel(config, given.checkpoint);
  const prompts = (await promptsOf(expected)) ?? (await promptsOf(found));
  const prompt = prompts?.[row] ?? new Array<number>(sizesOf(expected).T ?? 0).fill(0);
  const { diagnosis } = await judgeLocally(model, found, prompt, {
    ...{ arithmetic: comparison.class, row, signal: options.signal, untilNamed: true },
  });
  return { ...comparison, diagnosis: merged(faults, diagnosis) };
}

/** Certain faults of the recording come first, guesses last. */
function merged(faults: readonly Diagnosis[], bugs: readonly Diagnosis[]): Diagnosis[] {
  return [...faults, ...bugs].sort((a, b) => b.likeness - a.likeness);
}

/** Judges every operation of a trace alone, from the backend's own recorded inputs.
 *  @param options.class f32 by default: what is judged does not choose its own bars
 *  @param options.watch sees what the model computes of the first row
 *  @throws trace-…, model-…, io-…, aborted */
export async function compareWithModel(
  given: ModelToCompare,
  found: TraceSource,
  options: CompareOptions & { readonly watch?: Observer | undefined } = {},
): Promise<BackendComparison> {
  const arithmetic = classOf(found, options.class ?? 'f32');
  expectFits(found, given.config);
  const prompts = await promptsOf(found);
  if (prompts === undefined) throw promptMissing(found);
  prompts.flat().forEach((id, index) => {
    expectId(id, index, given.config.vocabSize, found);
  });
  const model = checkpointModel(given.config, given.checkpoint);
  const rows: LocalRow[] = [];
  for (const [row, prompt] of prompts.entries()) {
    const { signal } = options;
    const watch = row === 0 ? options.watch : undefined;
    rows.push(await judgeLocally(model, found, prompt, { arithmetic, row, signal, watch }));
  }
  const { numHiddenLayers: layers, padTokenId } = given.config;
  const comparison = summarize(rows, arithmetic, { found, layers, filter: options.filter });
  if (comparison.pass) return comparison;
  return {
    ...comparison,
    notes: [...(comparison.notes ?? []), ...paddingNotes(prompts, padTokenId)],
  };
}

type LocalRow = Awaited<ReturnType<typeof judgeLocally>>;

interface Judged {
  readonly found: TraceSource;
  readonly layers: number;
  readonly filter: CompareOptions['filter'];
}

function summarize(
  rows: readonly LocalRow[],
  arithmetic: ArithmeticClass,
  { found, layers, filter = () => true }: Judged,
): BackendComparison {
  const verdicts = new Map<string, LocalVerdict>();
  for (const verdict of rows.flatMap((row) => row.verdicts)) {
    const before = verdicts.get(verdict.name);
    const isWorse = before?.status !== 'beyond' && verdict.status === 'beyond';
    if (before === undefined || isWorse) verdicts.set(verdict.name, verdict);
  }
  const all = withMissing([...verdicts.values()], found, layers);
  const tensors = all.filter(({ name }) => filter(name));
  if (tensors.every(({ status }) => status === 'missing')) throw nothingJudged(found);
  const fault = tensors.find(({ status }) => status === 'beyond');
  const place = verdicts.get(fault?.name ?? '')?.first;
  const first = fault === undefined ? null : { name: fault.name, ...NOWHERE, ...place };
  const diagnosis = rows.find((row) => row.diagnosis.length > 0)?.diagnosis ?? [];
  const pass = first === null;
  const notes = [...unrecordedNotes(tensors), ...(pass ? [] : classNotes(found, arithmetic))];
  return { pass, class: arithmetic, first, tensors, diagnosis, notes };
}

/** Padding in front shifts positions and is not seen by a correct backend; a trace does not say
 *  what is padding. */
function paddingNotes(prompts: readonly (readonly number[])[], padTokenId: number): string[] {
  const row = prompts.findIndex(([first]) => first === padTokenId);
  if (row < 0) return [];
  const count = prompts[row].findIndex((id) => id !== padTokenId);
  return [
    `Row ${row} begins with ${count < 0 ? prompts[row].length : count} ids ${padTokenId}, which ` +
      'are judged as tokens; where they are padding, record the row without them.',
  ];
}

/** A failing trace may come from a backend that computes otherwise, and say so. */
function classNotes({ metadata }: TraceSource, arithmetic: ArithmeticClass): string[] {
  const told = metadata.get('class');
  if (told === undefined || told === arithmetic || !isArithmeticClass(told)) return [];
  return [`FOUND says that it was computed in ${told}: --class ${told} holds it to those bars.`];
}

function expectId(id: number, position: number, vocabSize: number, { name }: TraceSource): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabSize) return;
  throw new BaichuanError('trace-vocabulary', {
    file: name,
    where: `${traceName('inputIds')}[${position}]`,
    what: `${id} is no token id of this model, which has ${vocabSize}.`,
    fix: 'Record the trace with the tokenizer of this model.',
    expected: `0 … ${vocabSize - 1}`,
    found: id,
  });
}

function promptMissing({ name }: TraceSource): BaichuanError {
  return new BaichuanError('trace-prompt', {
    file: name,
    where: traceName('inputIds'),
    what: 'The trace does not say which ids it was made of.',
    fix: 'Record input_ids as I64, or prompt_ids in the metadata as JSON.',
  });
}

function nothingJudged({ name }: TraceSource): BaichuanError {
  return new BaichuanError('trace-empty', {
    file: name,
    what: 'No operation of it can be judged: what was chosen lacks tensors or their inputs.',
    fix: 'Record more activations, or choose others with --taps.',
  });
}
