/** Which known bug explains what was found: in the first stage in which an operation is at fault,
 *  every bug of the gallery takes the reference's place, computes from the backend's own recorded
 *  inputs, and is measured by how much of the difference it leaves:
 *
 *      likeness = mean over tensors of max(0, 1 − r_bug / r_reference)
 *
 *  r is the root of the NMSE, at most 1; r_bug is 0 where the bug leaves no more than rounding. The
 *  mean is over the tensors at fault, and over those that only the bug would put at fault, which
 *  count 0. So 1 means: this change and nothing else. Of two that are as likely, the one that
 *  leaves less comes first. */

import { macrotask } from '../turns.ts';
import type { ArithmeticClass } from '../verify/bars.ts';
import { KNOWN_BUGS } from './gallery/index.ts';
import {
  judgeStage,
  type LocalVerdict,
  type Observer,
  readEvidence,
  type StageEvidence,
  stagesOf,
} from './judge-locally.ts';
import { expectGoingOn } from './pieces.ts';
import type { ReferenceModel } from './reference-model.ts';
import type { ReferenceSetup, Stage } from './stage.ts';
import type { TraceSource } from './trace-source.ts';

/** A bug that what was found looks like. */
export interface Diagnosis {
  readonly name: string;
  /** 0 … 1. */
  readonly likeness: number;
  readonly summary: string;
}

/** Below this a likeness is no hint. */
const MIN_LIKENESS = 0.3;

/** How many are named. */
const MAX_NAMED = 5;

/** The largest r that rounding leaves, as a share of the bar: bars are for the largest difference.
 *  PyTorch leaves less in every golden model: `spec/conform/diagnose.spec.ts`. */
const ROUNDING_SHARE = 1 / 4;

export interface LocalJudgement {
  /** Every operation that could be judged, in the order of execution. */
  readonly verdicts: readonly LocalVerdict[];
  readonly diagnosis: readonly Diagnosis[];
}

export interface LocalOptions {
  readonly arithmetic: ArithmeticClass;
  /** Of a batch. */
  readonly row?: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether nothing is wanted but a name for the first fault. */
  readonly untilNamed?: boolean;
  /** Sees what the model computes of every operation. */
  readonly watch?: Observer | undefined;
}

/** Judges every operation of a trace from its own inputs, and names what the first fault is like.
 *  @param prompt ids of the row */
export async function judgeLocally(
  model: ReferenceModel,
  found: TraceSource,
  prompt: readonly number[],
  options: LocalOptions,
): Promise<LocalJudgement> {
  const verdicts: LocalVerdict[] = [];
  let diagnosis: readonly Diagnosis[] = [];
  let carried: Carried | undefined;
  for (const stage of stagesOf(model.config.numHiddenLayers)) {
    expectGoingOn(options.signal);
    const isFirst = diagnosis.length === 0;
    const step = { ...options, stage, prompt, carried, isFirst };
    const judged = await judgeStep(model, found, step);
    carried = judged.carried;
    diagnosis = [...diagnosis, ...judged.diagnosis];
    verdicts.push(...judged.verdicts);
    if (options.untilNamed === true && diagnosis.length > 0) break;
  }
  return { verdicts, diagnosis };
}

/** What left the stage before, and how many layers it has come through since the last input that
 *  the backend recorded. */
interface Carried {
  readonly output: Float32Array;
  readonly layers: number;
}

interface LocalStep extends LocalOptions {
  readonly stage: Stage;
  readonly prompt: readonly number[];
  /** Undefined before the first stage. */
  readonly carried: Carried | undefined;
  /** Whether no fault was named yet. */
  readonly isFirst: boolean;
}

/** One stage, in a function of its own: a loop would hold its weights until it has read the next
 *  ones. */
async function judgeStep(model: ReferenceModel, found: TraceSource, step: LocalStep) {
  const { stage, prompt, carried, arithmetic, row = 0, watch } = step;
  const read = await readEvidence(found, stage, model.config.numHiddenLayers, row);
  const chained = read.input === undefined ? (carried?.layers ?? 0) : 0;
  const isComputed = read.input === undefined;
  const evidence = { ...read, input: read.input ?? carried?.output, chained, isComputed };
  const setup = await model.setup(stage, prompt);
  const options = { arithmetic, locates: true, watch };
  const { verdicts, output } = judgeStage(model, setup, evidence, options);
  const isFault = step.isFirst && verdicts.some(({ status }) => status === 'beyond');
  const fault = { setup, evidence, here: verdicts, arithmetic };
  const diagnosis = isFault ? await matchGallery(model, fault, step.signal) : [];
  const layers = stage === 'embedding' ? 0 : chained + 1;
  return { verdicts, carried: { output, layers }, diagnosis };
}

interface Fault {
  readonly setup: ReferenceSetup;
  readonly evidence: StageEvidence;
  /** Of the reference. */
  readonly here: readonly LocalVerdict[];
  readonly arithmetic: ArithmeticClass;
}

async function matchGallery(
  model: ReferenceModel,
  fault: Fault,
  signal: AbortSignal | undefined,
): Promise<Diagnosis[]> {
  const { setup, evidence, here, arithmetic } = fault;
  const matches: (Diagnosis & Match)[] = [];
  for (const bug of KNOWN_BUGS) {
    if (bug.position !== undefined && bug.position !== model.config.position) continue;
    await macrotask();
    expectGoingOn(signal);
    const { verdicts } = judgeStage(model, bug.change(setup), evidence, { arithmetic });
    const match = matchOf(here, verdicts);
    const { name, summary } = bug;
    if (match.likeness >= MIN_LIKENESS) matches.push({ name, summary, ...match });
  }
  return matches
    .sort((a, b) => b.likeness - a.likeness || a.left - b.left)
    .slice(0, MAX_NAMED)
    .map(({ name, likeness, summary }) => ({ name, likeness, summary }));
}

interface Match {
  readonly likeness: number;
  /** The mean of r_bug / r_reference, rounding included. */
  readonly left: number;
}

function matchOf(reference: readonly LocalVerdict[], bug: readonly LocalVerdict[]): Match {
  const others = new Map(bug.map((verdict) => [verdict.name, verdict]));
  let [likeness, left, count] = [0, 0, 0];
  for (const verdict of reference) {
    const other = others.get(verdict.name);
    if (other === undefined) continue;
    const [before, after] = [verdict, other].map(({ status }) => status === 'beyond');
    if (!before && !after) continue;
    count += 1;
    const share = before ? Math.min(1, residual(other) / residual(verdict)) : 1;
    const isRounding = !after && residual(other) <= ROUNDING_SHARE * (other.bar ?? 0);
    likeness += isRounding ? 1 : 1 - share;
    left += share;
  }
  return count === 0
    ? { likeness: 0, left: 1 }
    : { likeness: likeness / count, left: left / count };
}

function residual({ statistics }: LocalVerdict): number {
  return Math.min(1, Math.sqrt(statistics?.nmse ?? 0));
}
