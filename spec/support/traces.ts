/** Traces made in memory for the specs of the oracle: of golden models, altered, and as files. */

import { configToJson } from '../../src/conform/trace-model.ts';
import { openTrace, type TraceSource } from '../../src/conform/trace-source.ts';
import type { ByteSource } from '../../src/formats/byte-source.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { safetensorsHeader } from '../../src/formats/safetensors-writer.ts';
import type { Golden } from './goldens.ts';

export interface NamedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Float64Array;
  readonly dtype?: 'F32' | 'F64' | 'I64' | undefined;
}

export type NamedTensors = Map<string, NamedTensor>;

/** The bytes of a trace file. */
export function traceBytes(
  tensors: NamedTensors,
  metadata: Record<string, string> = {},
): Uint8Array {
  const list = [...tensors].map(([name, { shape, values, dtype }]) => {
    const type = dtype ?? (values instanceof Float64Array ? 'F64' : 'F32');
    const typed = type === 'I64' ? BigInt64Array.from(values, BigInt) : values;
    const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
    return { name, dtype: type, shape, bytes } as const;
  });
  const header = safetensorsHeader(list, new Map(Object.entries(metadata)));
  return new Uint8Array(Buffer.concat([header, ...list.map(({ bytes }) => bytes)]));
}

/** A trace opened from memory. */
export function memoryTrace(
  tensors: NamedTensors,
  metadata: Record<string, string> = {},
  name = 'trace',
): Promise<TraceSource> {
  return openTrace(bufferSource(name, traceBytes(tensors, metadata)));
}

/** A byte source that counts what is read of it. */
export function countingSource(
  source: ByteSource,
): ByteSource & { readonly largest: () => number } {
  let largest = 0;
  return {
    ...source,
    size: source.size,
    largest: () => largest,
    read(byteOffset, byteLength) {
      largest = Math.max(largest, byteLength);
      return source.read(byteOffset, byteLength);
    },
  };
}

/** One row of what PyTorch recorded of a golden model, every tensor of it. */
export function goldenTensors(golden: Golden, row = 0): NamedTensors {
  return new Map(
    [...golden.float32].map(
      ([
        name,
        {
          shape: [rows, ...shape],
          values,
        },
      ]) => {
        const length = values.length / rows;
        const part = values.slice(row * length, (row + 1) * length);
        return [name, { shape, values: part, dtype: name === 'input_ids' ? 'I64' : 'F32' }];
      },
    ),
  );
}

/** Metadata as `baichuan trace` writes it. */
export function goldenMetadata({ config }: Golden): Record<string, string> {
  return { class: 'f32', architecture: config.architecture, config: configToJson(config) };
}
