/** What a conversion makes: options, checked. */

import { expectQuantization, type Quantization } from '../engine/weight-formats.ts';
import { BaichuanError, quote } from '../errors.ts';

export const CONVERT_FORMATS = ['safetensors', 'gguf'] as const;

/** The types of `type`: floats for both formats, blocks with llama.cpp's rounding for GGUF. */
export const CONVERT_TYPES = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0'] as const;

export type ConvertType = (typeof CONVERT_TYPES)[number];

export interface ConvertOptions {
  /** Quantizes as loading does; `none`, the default, keeps the types of the files. */
  readonly quantize?: Quantization | undefined;
  /** Makes all weights this type; not together with `quantize`. */
  readonly type?: ConvertType | undefined;
  /** Bytes of a shard of safetensors, at most, unless one parameter is larger; 5 · 10⁹. */
  readonly maxShardBytes?: number | undefined;
}

/** What Hugging Face's libraries cut at. */
const DEFAULT_SHARD_BYTES = 5e9;

/** Checks options. @throws option-value, option-unsupported */
export function checkConvertOptions({
  quantize,
  type,
  format,
  maxShardBytes = DEFAULT_SHARD_BYTES,
}: ConvertOptions & { format: (typeof CONVERT_FORMATS)[number] }): { maxShardBytes: number } {
  if (quantize !== undefined) expectQuantization(quantize);
  if (type !== undefined && !CONVERT_TYPES.includes(type)) {
    const fix = `Pass ${CONVERT_TYPES.join(', ')}.`;
    throw optionError('--type', `${quote(String(type))} is not known here.`, fix);
  }
  if (type !== undefined && quantize !== undefined && quantize !== 'none') {
    const what = '--type and --quantize both say what the weights become.';
    throw optionError('--type', what, 'Give one of them.');
  }
  if (format === 'safetensors' && (type === 'q8_0' || type === 'q4_0')) {
    const fix = `Give --quantize ${type === 'q8_0' ? 'int8' : 'int4'}, or write GGUF.`;
    throw optionError('--type', `${type} is a type of GGUF files.`, fix);
  }
  if (format === 'gguf' && quantize?.endsWith('-channel') === true) {
    throw new BaichuanError('option-unsupported', {
      where: '--quantize',
      what: `GGUF has no type for ${quantize}, where a row has one scale.`,
      fix: 'Give --quantize int8 or int4, or write safetensors.',
      found: quantize,
    });
  }
  const isSize = Number.isSafeInteger(maxShardBytes) && maxShardBytes >= 1;
  if (isSize) return { maxShardBytes };
  const what = `${maxShardBytes} is no size of a file.`;
  throw optionError('maxShardBytes', what, 'Pass a number of bytes, such as 5e9.');
}

function optionError(where: string, what: string, fix: string): BaichuanError {
  return new BaichuanError('option-value', { where, what, fix });
}
