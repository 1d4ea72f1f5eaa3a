/** Traces without files for the specs of reports: tensors whose numbers follow from their index. */

import type { TraceEntry, TraceSource } from '../../src/conform/trace-source.ts';
import { tracePlace } from '../../src/model/trace-points.ts';

export interface LazyTensor {
  readonly shape: readonly number[];
  valueAt(index: number): number;
}

/** A trace whose numbers are made when they are read. */
export function lazyTrace(
  tensors: ReadonlyMap<string, LazyTensor>,
  metadata: Record<string, string> = {},
  file = 'trace.safetensors',
): TraceSource {
  const entries = [...tensors].map(([name, { shape, valueAt }]): [string, TraceEntry] => {
    const place = tracePlace(name);
    const read = async (start: number, count: number) =>
      Float32Array.from({ length: count }, (_, i) => valueAt(start + i));
    const { kind, layer = 0 } = place ?? { kind: undefined };
    return [name, { name, kind, layer, batch: 1, shape, read }];
  });
  return {
    name: file,
    metadata: new Map(Object.entries(metadata)),
    entries: new Map(entries),
    close: async () => {},
  };
}

/** The JSON that a report embeds. */
export function embeddedData(page: string) {
  const [, json = '{}'] =
    /<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(page) ?? [];
  return JSON.parse(json);
}

/** Names of the tags of a page, in their order. */
export function tagNames(page: string): string[] {
  return [...page.matchAll(/<(\/?[a-zA-Z!][\w-]*)/g)].map(([, name]) => name);
}

/** The bytes of base64. */
export function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'));
}
