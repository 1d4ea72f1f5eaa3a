/** The metadata of a GGUF file: keys and typed values.
 *  Source: ggml docs/gguf.md, `gguf_metadata_value_type`. */
import type { Spellings } from './spellings.ts';

/** The types of values, by their number in the file. */
export const VALUE_TYPES = [
  'uint8',
  'int8',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'float32',
  'bool',
  'string',
  'array',
  'uint64',
  'int64',
  'float64',
] as const;

export type ValueType = (typeof VALUE_TYPES)[number];
export type NumberType = Exclude<ValueType, 'bool' | 'string' | 'array'>;

/** A number of 64 bits past 2^53 is kept as a bigint. */
export type GgufValue =
  | { readonly type: NumberType; readonly value: number | bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'array'; readonly of: 'string'; readonly items: Spellings }
  | { readonly type: 'array'; readonly of: 'float32'; readonly items: Float32Array }
  | { readonly type: 'array'; readonly of: 'int32'; readonly items: Int32Array }
  | { readonly type: 'array'; readonly of: 'uint32'; readonly items: Uint32Array }
  | { readonly type: 'array'; readonly of: 'other'; readonly what: string };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;
