/** Keeps of what a model computes the part that a report shows: probabilities and logits. */

import { tracePlace } from '../../model/trace-points.ts';
import type { Observer } from '../judge-locally.ts';
import { createMemoryTrace } from '../memory-trace.ts';
import type { TraceSource } from '../trace-source.ts';

/** Bytes that are kept of either; what is beyond is not shown. */
const MAX_BYTES = 256 * 2 ** 20;

/** A trace that fills while a model computes. @param name what computes */
export function computedTrace(name: string): { trace: TraceSource; watch: Observer } {
  const trace = createMemoryTrace(name);
  const kept = { probs: 0, logits: 0 };
  const watch: Observer = (tensor, shape, computed) => {
    const kind = tracePlace(tensor)?.kind;
    if (kind !== 'probs' && kind !== 'logits') return;
    kept[kind] += computed.byteLength;
    if (kept[kind] <= MAX_BYTES) trace.add(tensor, [...shape], Float32Array.from(computed));
  };
  return { trace, watch };
}
