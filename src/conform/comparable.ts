/** Whether two traces can be compared at all: one model, one prompt, one vocabulary. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError, type ErrorCode, quote } from '../errors.ts';
import { tracePoint } from '../model/trace-points.ts';
import { type ArithmeticClass, isArithmeticClass } from '../verify/bars.ts';
import { configOf, layersOf, promptsOf, sizesOf, type TraceSizes } from './trace-model.ts';
import { findEntry, type TraceEntry, type TraceSource } from './trace-source.ts';

/** The class to compare by: as asked, else as EXPECTED says, else f32.
 *  @throws trace-class */
export function classOf(expected: TraceSource, asked: string | undefined): ArithmeticClass {
  const text = asked ?? expected.metadata.get('class') ?? 'f32';
  if (isArithmeticClass(text)) return text;
  throw new BaichuanError('trace-class', {
    file: asked === undefined ? expected.name : undefined,
    where: asked === undefined ? 'class' : '--class',
    what: `${quote(text)} is no arithmetic class.`,
    fix: 'Use f32, f16, bf16, int8 or int4.',
  });
}

/** Refuses traces of different models, prompts or vocabularies.
 *  @throws trace-model, trace-prompt, trace-vocabulary, trace-shape */
export async function expectComparable(
  expected: TraceSource,
  found: TraceSource,
  arithmetic: ArithmeticClass,
): Promise<void> {
  expectSameModel(expected, found, arithmetic);
  await expectSamePrompt(expected, found);
  if (isReordered(expected, found)) return;
  const [a, b] = [sizesOf(expected), sizesOf(found)];
  if (a.V !== undefined && b.V !== undefined && a.V !== b.V) {
    throw differs('trace-vocabulary', found, 'vocabulary', [a.V, b.V]);
  }
  for (const [axis, name] of SIZES) {
    const [one, other] = [a[axis], b[axis]];
    if (one === undefined || other === undefined || one === other) continue;
    throw differs(axis === 'T' ? 'trace-prompt' : 'trace-model', found, name, [one, other]);
  }
}

const SIZES = [
  ['C', 'hidden size'],
  ['F', 'intermediate size'],
  ['H', 'number of heads'],
  ['T', 'number of tokens'],
] as const satisfies [keyof TraceSizes, string][];

/** Whether some tensor has the expected axes in another order, which is a finding of its own. */
function isReordered(expected: TraceSource, found: TraceSource): boolean {
  return [...expected.entries.values()].some((entry) => {
    const other = findEntry(found, entry.name);
    return entry.kind !== undefined && other !== undefined && isPermutation(entry, other);
  });
}

/** Whether two shapes hold the same axes in another order. */
export function isPermutation(expected: TraceEntry, found: TraceEntry): boolean {
  const sorted = ({ batch, shape }: TraceEntry) => [batch, ...shape].sort((a, b) => a - b).join();
  const plain = ({ batch, shape }: TraceEntry) => [batch, ...shape].join();
  return plain(expected) !== plain(found) && sorted(expected) === sorted(found);
}

/** Refuses two tensors of one name and another size. @throws trace-shape */
export function expectSameShape(expected: TraceEntry, found: TraceEntry, file: string): void {
  const [a, b] = [expected, found].map(({ batch, shape }) => [batch, ...shape].join(', '));
  if (a === b) return;
  const axes = expected.kind === undefined ? '' : ` ([batch, ${tracePoint(expected.kind).axes}])`;
  throw new BaichuanError('trace-shape', {
    file,
    where: `tensor ${quote(expected.name)}`,
    what: `The shapes differ: expected [${a}]${axes}, found [${b}].`,
    fix: 'Compare traces of the same model and prompt, each tensor with its published axes.',
    expected: `[${a}]`,
    found: `[${b}]`,
  });
}

/** Refuses a trace that cannot be of this model: sizes or configuration differ.
 *  @throws trace-model, trace-vocabulary */
export function expectFits(trace: TraceSource, config: BaichuanConfig): void {
  const told = configOf(trace);
  for (const [field, code] of told === undefined ? [] : CONFIG_FIELDS) {
    if (told?.[field] === config[field]) continue;
    throw differs(code, trace, field, [config[field], told?.[field] ?? 'none']);
  }
  const { C, F, H, V } = sizesOf(trace);
  const sizes = [
    ['hidden size', C, config.hiddenSize],
    ['intermediate size', F, config.intermediateSize],
    ['number of heads', H, config.numAttentionHeads],
    ['vocabulary', V, config.vocabSize],
  ] as const;
  for (const [name, size, expected] of sizes) {
    if (size === undefined || size === expected) continue;
    const code = name === 'vocabulary' ? 'trace-vocabulary' : 'trace-model';
    throw differs(code, trace, name, [expected, size]);
  }
  const layers = layersOf(trace);
  if (layers <= config.numHiddenLayers) return;
  throw differs('trace-model', trace, 'number of layers', [config.numHiddenLayers, layers]);
}

function expectSameModel(
  expected: TraceSource,
  found: TraceSource,
  arithmetic: ArithmeticClass,
): void {
  const [one, other] = [configOf(expected), configOf(found)];
  if (one !== undefined && other !== undefined) {
    for (const [field, code] of CONFIG_FIELDS) {
      if (one[field] !== other[field])
        throw differs(code, found, field, [one[field], other[field]]);
    }
  }
  const [ours, theirs] = [expected, found].map(({ metadata }) => metadata.get('fingerprint'));
  // Quantized or rounded weights are other numbers of the same model.
  if (arithmetic !== 'f32' || ours === undefined || theirs === undefined || ours === theirs) return;
  throw differs('trace-model', found, 'fingerprint of the weights', [quote(ours), quote(theirs)]);
}

const CONFIG_FIELDS = [
  ['architecture', 'trace-model'],
  ['vocabSize', 'trace-vocabulary'],
  ['hiddenSize', 'trace-model'],
  ['intermediateSize', 'trace-model'],
  ['numHiddenLayers', 'trace-model'],
  ['numAttentionHeads', 'trace-model'],
] as const satisfies [keyof BaichuanConfig, ErrorCode][];

async function expectSamePrompt(expected: TraceSource, found: TraceSource): Promise<void> {
  const [ours, theirs] = [await promptsOf(expected), await promptsOf(found)];
  if (ours === undefined || theirs === undefined) return;
  if (ours.length !== theirs.length) {
    throw differs('trace-prompt', found, 'number of prompts', [ours.length, theirs.length]);
  }
  const [a, b] = [ours.flat(), theirs.flat()];
  if (a.join() === b.join()) return;
  const index = a.findIndex((id, i) => id !== b[i]);
  const at = index < 0 ? a.length : index;
  const added = b.length - a.length;
  const inFront = ours.length === 1 && added > 0 && b.slice(added).join() === a.join();
  const hint = inFront
    ? ` FOUND has ${b.slice(0, Math.min(added, 5))} in front, which this family does not add.`
    : '';
  throw new BaichuanError('trace-prompt', {
    file: found.name,
    where: `position ${at}`,
    what: `The prompts differ: expected id ${a[at] ?? 'none'}, found ${b[at] ?? 'none'}.${hint}`,
    fix: 'Give both backends the same token ids, not the same text, and trace again.',
    expected: a[at] ?? 'none',
    found: b[at] ?? 'none',
  });
}

function differs(
  code: ErrorCode,
  found: TraceSource,
  what: string,
  [expected, other]: readonly (string | number)[],
): BaichuanError {
  return new BaichuanError(code, {
    file: found.name,
    what: `Two models or prompts: the ${what} is ${expected} in one and ${other} in the other.`,
    fix: 'Record both traces with the same checkpoint and the same token ids.',
    expected,
    found: other,
  });
}
