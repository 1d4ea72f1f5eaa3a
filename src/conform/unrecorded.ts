/** What a trace that is judged by a model lacks: tensors of some layers whose kind others have, and
 *  inputs without which nothing is judged alone. No EXPECTED says that they are wanted, and a trace
 *  may be any subset, so they are reported and do not fail. */

import { compareTracePlaces, traceName } from '../model/trace-points.ts';
import type { TensorVerdict } from './compare-traces.ts';
import { findEntry, type TraceSource } from './trace-source.ts';

/** How many tensors are named. */
const MAX_NAMED = 3;

/** Verdicts, with those of the tensors that are missing in some layers, in the order of execution.
 *  @param judged verdicts of all that was recorded @param layers of the model */
export function withMissing(
  judged: readonly TensorVerdict[],
  found: TraceSource,
  layers: number,
): TensorVerdict[] {
  const missing: TensorVerdict[] = [];
  for (const kind of new Set(judged.map((verdict) => verdict.kind))) {
    if (traceName(kind, 0) === traceName(kind, 1)) continue;
    for (let layer = 0; layer < layers; layer++) {
      const name = traceName(kind, layer);
      if (findEntry(found, name) !== undefined) continue;
      missing.push({ name, kind, layer, status: 'missing' });
    }
  }
  return [...judged, ...missing].sort(compareTracePlaces);
}

/** What the verdict does not cover, in sentences. */
export function unrecordedNotes(tensors: readonly TensorVerdict[]): string[] {
  const chained = tensors.filter(({ alone }) => alone === false);
  const missing = tensors.filter(({ status }) => status === 'missing');
  return [
    ...(chained.length === 0
      ? []
      : [`not judged alone, but with unrecorded operations before: ${listed(chained)}.`]),
    ...(missing.length === 0
      ? []
      : [`recorded of other layers, but missing, so not judged: ${listed(missing)}.`]),
  ];
}

function listed(tensors: readonly TensorVerdict[]): string {
  const names = tensors.slice(0, MAX_NAMED).map(({ name }) => name);
  const rest = tensors.length - names.length;
  return `${names.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
