/** What each decoder layer did to the residual stream x, per token and averaged over the tokens:
 *
 *      x ← x + attention(norm(x));   x ← x + mlp(norm(x))
 *
 *  Sizes are root mean squares over the channels, √(mean x²), the unit in which RMSNorm measures;
 *  the cosine tells how far a layer turned the stream. */

import { type TraceKind, traceName } from '../../model/trace-points.ts';
import type { Numbers } from '../../verify/statistics.ts';
import { layersOf } from '../trace-model.ts';
import { findEntry, type TraceEntry, type TraceSource } from '../trace-source.ts';

export interface LayerStep {
  readonly layer: number;
  /** Mean over the tokens; undefined where it was not recorded. */
  readonly entering: number | undefined;
  readonly attention: number | undefined;
  readonly mlp: number | undefined;
  readonly leaving: number | undefined;
  /** Mean cosine of what entered and what left. */
  readonly cosine: number | undefined;
}

/** Elements that are read at once. */
const MAX_READ = 2 ** 20;

/** Measures every layer of a trace. @param row of a batch @throws io-… */
export async function collectLayerSteps(trace: TraceSource, row = 0): Promise<LayerStep[]> {
  const steps: LayerStep[] = [];
  const entryOf = (kind: TraceKind, layer: number) => findEntry(trace, traceName(kind, layer));
  for (let layer = 0; layer < layersOf(trace); layer++) {
    const before = layer === 0 ? entryOf('embedding', 0) : entryOf('layer', layer - 1);
    const after = entryOf('layer', layer);
    steps.push({
      layer,
      entering: await meanSize(before, row),
      attention: await meanSize(entryOf('attention', layer) ?? entryOf('oProj', layer), row),
      mlp: await meanSize(entryOf('mlp', layer) ?? entryOf('down', layer), row),
      leaving: await meanSize(after, row),
      cosine: await meanCosine(before, after, row),
    });
  }
  return steps.filter(({ layer, cosine, ...sizes }) =>
    Object.values(sizes).some((size) => size !== undefined),
  );
}

async function meanSize(entry: TraceEntry | undefined, row: number): Promise<number | undefined> {
  if (entry === undefined) return undefined;
  const [T, C] = entry.shape;
  let sum = 0;
  for await (const [x] of tokensOf([entry], row)) sum += Math.sqrt(dot(x, x) / C);
  return T === 0 ? undefined : sum / T;
}

async function meanCosine(
  before: TraceEntry | undefined,
  after: TraceEntry | undefined,
  row: number,
): Promise<number | undefined> {
  if (before === undefined || after === undefined) return undefined;
  const [T] = after.shape;
  let sum = 0;
  for await (const [x, y] of tokensOf([before, after], row)) {
    sum += dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
  }
  return T === 0 ? undefined : sum / T;
}

/** The rows of tensors `[T, C]`, side by side. */
async function* tokensOf(entries: readonly TraceEntry[], row: number): AsyncGenerator<Numbers[]> {
  const [T, C] = entries[0].shape;
  const step = Math.max(1, Math.floor(MAX_READ / Math.max(1, C)));
  for (let start = 0; start < T; start += step) {
    const count = Math.min(step, T - start);
    const parts = await Promise.all(
      entries.map((entry) => entry.read((row * T + start) * C, count * C)),
    );
    for (let t = 0; t < count; t++) yield parts.map((part) => part.subarray(t * C, (t + 1) * C));
  }
}

function dot(x: Numbers, y: Numbers): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
