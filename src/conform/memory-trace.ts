/** A trace in memory: what a model computed or recorded, in the form in which files are read. */

import { tracePlace } from '../model/trace-points.ts';
import type { TraceEntry, TraceSource } from './trace-source.ts';

export interface MemoryTrace extends TraceSource {
  /** Adds a tensor, whose values are kept as they are. */
  add(name: string, shape: readonly number[], values: Float32Array): void;
}

/** An empty trace. @param name what it is called where a file has its path */
export function createMemoryTrace(
  name: string,
  metadata: ReadonlyMap<string, string> = new Map(),
): MemoryTrace {
  const entries = new Map<string, TraceEntry>();
  return {
    name,
    metadata,
    entries,
    add(tensor, shape, values) {
      const place = tracePlace(tensor);
      entries.set(tensor, {
        ...{ name: tensor, kind: place?.kind, layer: place?.layer ?? 0, batch: 1, shape },
        read: async (start, count) => values.subarray(start, start + count),
      });
    },
    close: async () => entries.clear(),
  };
}
