/** Faults of the recording rather than of the backend, seen from two traces alone: calls of a
 *  module that layers share which overwrote each other, layers under each other's names, axes in
 *  another order, numbers that are rounded to half precision. */

import { traceName } from '../model/trace-points.ts';
import type { ArithmeticClass } from '../verify/bars.ts';
import { collectStatistics } from '../verify/statistics.ts';
import { entryCount, type TensorVerdict, type TraceComparison } from './compare-traces.ts';
import type { Diagnosis } from './diagnose.ts';
import { roundBf16, roundF16 } from './gallery/rounding.ts';
import { piecesOf } from './pieces.ts';
import { layersOf } from './trace-model.ts';
import { findEntry, type TraceEntry, type TraceSource } from './trace-source.ts';

/** Looks at the first tensor that is beyond its bar of a class. */
export async function findTraceFaults(
  expected: TraceSource,
  found: TraceSource,
  { tensors, class: arithmetic }: Pick<TraceComparison, 'tensors' | 'class'>,
): Promise<Diagnosis[]> {
  const swapped = tensors.find(({ status }) => status === 'axes');
  const faults: Diagnosis[] = [];
  if (swapped?.shapes !== undefined) {
    const [one, other] = swapped.shapes.map((shape) => `[${shape.join(', ')}]`);
    faults.push({
      name: 'trace-axes-swapped',
      likeness: 1,
      summary: `${swapped.name} has the axes ${other} where ${one} is published.`,
    });
  }
  const beyond = tensors.find(({ status }) => status === 'beyond');
  if (beyond === undefined) return faults;
  const other = findEntry(found, beyond.name);
  if (other === undefined) return faults;
  const layer = await otherLayer(beyond, expected, other);
  if (layer !== undefined) faults.push(layerFault(beyond, layer, found));
  return [...faults, ...(await roundedFaults(other, arithmetic))];
}

/** The row of a batch that is worst. */
export function rowOf({ name, statistics }: TensorVerdict, trace: TraceSource): number {
  const entry = findEntry(trace, name);
  if (entry === undefined || statistics === undefined) return 0;
  const length = entry.shape.reduce((product, size) => product * size, 1);
  return Math.floor(statistics.worst / Math.max(1, length));
}

/** The layer whose expected tensor is what was found under the name of another. */
async function otherLayer(
  { kind, layer, statistics }: TensorVerdict,
  expected: TraceSource,
  found: TraceEntry,
): Promise<number | undefined> {
  // Rounding on the way there is some orders smaller than the difference of two layers.
  const allowed = Math.min(1, statistics?.relative ?? 0) / 100;
  for (let candidate = 0; candidate < layersOf(expected); candidate++) {
    const entry = findEntry(expected, traceName(kind, candidate));
    if (candidate === layer || entry === undefined) continue;
    if (entryCount(entry) !== entryCount(found)) continue;
    if (await isWithin(entry, found, allowed)) return candidate;
  }
  return undefined;
}

/** Whether two tensors agree, read piece by piece until they do not. */
async function isWithin(entry: TraceEntry, found: TraceEntry, allowed: number): Promise<boolean> {
  const statistics = collectStatistics();
  for await (const piece of piecesOf(entry, found)) {
    statistics.add(piece.expected, piece.found);
    if (statistics.result().relative > allowed) return false;
  }
  return true;
}

function layerFault({ kind, name }: TensorVerdict, layer: number, found: TraceSource): Diagnosis {
  const recorded = [...found.entries.values()].filter((entry) => entry.kind === kind).length;
  if (recorded === 1) {
    return {
      name: 'trace-calls-collapsed',
      likeness: 1,
      summary:
        `${name} is that of layer ${layer}, and no other layer has one: layers share this ` +
        'module, and each call overwrote the one before. Number the calls, as the snippet does.',
    };
  }
  return {
    name: 'trace-layers-shifted',
    likeness: 1,
    summary: `${name} is what layer ${layer} should give: layers are recorded under other names.`,
  };
}

/** Types that a class is named after, and the classes with tighter bars, where that helps. */
const ROUNDED_TYPES = [
  { type: 'bf16', round: roundBf16, finer: ['f32', 'f16'] },
  { type: 'f16', round: roundF16, finer: ['f32'] },
] as const satisfies { type: string; round: unknown; finer: readonly ArithmeticClass[] }[];

/** Fewer numbers than these are of a type by chance. */
const MIN_NUMBERS = 8;

async function roundedFaults(entry: TraceEntry, arithmetic: ArithmeticClass): Promise<Diagnosis[]> {
  const { name } = entry;
  for (const { type, round, finer } of ROUNDED_TYPES) {
    if (!finer.some((one) => one === arithmetic)) continue;
    if (!(await isRounded(entry, round))) continue;
    const summary = `Every number of ${name} is one of ${type}: compare with --class ${type}.`;
    return [{ name: `values-${type}`, likeness: 0.5, summary }];
  }
  return [];
}

/** Whether rounding leaves every number as it is, read piece by piece until it does not. Zeros,
 *  infinities and NaN are of every type: they say nothing. */
async function isRounded(entry: TraceEntry, round: (x: number) => number): Promise<boolean> {
  let numbers = 0;
  for await (const { found } of piecesOf(entry, entry)) {
    for (let i = 0; i < found.length; i++) {
      if (!Number.isFinite(found[i]) || found[i] === 0) continue;
      if (round(found[i]) !== found[i]) return false;
      numbers += 1;
    }
  }
  return numbers >= MIN_NUMBERS;
}
