/** Models whose weights have gone through a quantizer and back, and how far their next-token
 *  distributions are from those of the float32 model. */

import { readFileSync } from 'node:fs';
import { load, loadTokenizer } from '../../src/index.ts';
import { QUANTIZERS } from '../../src/quantize/index.ts';
import { dequantize, type QuantizedType } from '../../src/tensor/quantized.ts';
import { gaussianModel } from './gaussian-model.ts';
import { ggmlQ4, ggmlQ8 } from './ggml-quantizers.ts';
import { memoryFolder, safetensorsFile } from './model-files.ts';
import { readSafetensors } from './safetensors-oracle.ts';

export interface Matrix {
  readonly shape: number[];
  readonly values: Float32Array;
}

/** A model by its parts. */
export interface ModelParts {
  readonly config: Record<string, unknown>;
  readonly weights: ReadonlyMap<string, Matrix>;
}

type Quantizer = (weights: Float32Array, shape: readonly [number, number]) => Float32Array;

/** What a scheme does with the linear layers, and with the embedding and the head. */
export interface Scheme {
  readonly linear: Quantizer;
  readonly table: Quantizer;
  /** Bytes of a row in a file or in memory. */
  rowBytes(inFeatures: number): number;
  tableRowBytes(inFeatures: number): number;
}

const same: Quantizer = (weights) => weights;
const groupsOf = (inFeatures: number) => Math.ceil(inFeatures / 32);
const backAndForth =
  (type: QuantizedType): Quantizer =>
  (weights, shape) =>
    dequantize(QUANTIZERS[type](weights, shape));

const eightBits = (inFeatures: number) => 34 * groupsOf(inFeatures);
const fourBits = (inFeatures: number) => 18 * groupsOf(inFeatures);
const half = (inFeatures: number) => 2 * inFeatures;

/** Ours keep the embedding and the head as int8 groups beside int8 and int4 and as they are in the
 *  file otherwise; llama.cpp's get eight bits for both, which is more than its Q4_0 files have. */
export const SCHEMES: Record<string, Scheme> = {
  float32: {
    linear: same,
    table: same,
    rowBytes: (inFeatures) => 4 * inFeatures,
    tableRowBytes: (inFeatures) => 4 * inFeatures,
  },
  int8: {
    linear: backAndForth('int8'),
    table: backAndForth('int8'),
    rowBytes: eightBits,
    tableRowBytes: eightBits,
  },
  int4: {
    linear: backAndForth('int4'),
    table: backAndForth('int8'),
    rowBytes: fourBits,
    tableRowBytes: eightBits,
  },
  'int8-channel': {
    linear: backAndForth('int8-channel'),
    table: same,
    rowBytes: (inFeatures) => inFeatures + 4,
    tableRowBytes: half,
  },
  'int4-channel': {
    linear: backAndForth('int4-channel'),
    table: same,
    rowBytes: (inFeatures) => inFeatures / 2 + 4,
    tableRowBytes: half,
  },
  Q8_0: { linear: ggmlQ8, table: ggmlQ8, rowBytes: eightBits, tableRowBytes: eightBits },
  Q4_0: { linear: ggmlQ4, table: ggmlQ8, rowBytes: fourBits, tableRowBytes: eightBits },
};

const EMBEDDED = new URL('../../fixtures/embedded/', import.meta.url);

/** The embedded model. */
export function embeddedParts(): ModelParts {
  const config = JSON.parse(readFileSync(new URL('config.json', EMBEDDED), 'utf8'));
  const weights = new Map<string, Matrix>();
  for (const [name, { shape, values }] of readSafetensors(new URL('model.safetensors', EMBEDDED))) {
    weights.set(name, { shape, values: Float32Array.from(values) });
  }
  return { config, weights };
}

/** The text that the embedded model was made for: lists of `work->author`, eight lines each.
 *  @param every takes one list of so many */
export function embeddedText(every = 1): number[][] {
  const tokenizer = loadTokenizer(readFileSync(new URL('tokenizer.model', EMBEDDED)));
  const lines = readFileSync(new URL('works.tsv', EMBEDDED), 'utf8').trimEnd().split('\n');
  const pairs = lines.map((line) => line.split('\t').slice(1).join('->'));
  const lists = Array.from({ length: Math.ceil(pairs.length / 8) }, (_, index) =>
    pairs.slice(8 * index, 8 * index + 8).join('\n'),
  );
  return lists.filter((_, index) => index % every === 0).map((list) => tokenizer.encode(list));
}

const isTable = (name: string) => /^(model\.embed_tokens|lm_head)\./.test(name);

/** The model after its weights went through a scheme and back. */
export function throughScheme({ config, weights }: ModelParts, scheme: Scheme): ModelParts {
  const changed = new Map<string, Matrix>();
  for (const [name, { shape, values }] of weights) {
    const [outFeatures, inFeatures] = shape;
    const quantizer = isTable(name) ? scheme.table : scheme.linear;
    const isMatrix = inFeatures !== undefined;
    const after = isMatrix ? quantizer(values, [outFeatures, inFeatures]) : values;
    changed.set(name, { shape, values: after });
  }
  return { config, weights: changed };
}

/** Logits of every token of every sequence, `[T, V]` each. */
export async function logitsOf(
  { config, weights }: ModelParts,
  sequences: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const header: Record<string, unknown> = {};
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const [name, { shape, values }] of weights) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const folder = memoryFolder({
    'config.json': JSON.stringify({ ...config, torch_dtype: 'float32' }),
    'model.safetensors': safetensorsFile(header, new Uint8Array(Buffer.concat(parts))),
  });
  await using model = await load(folder);
  const logits: Float32Array[] = [];
  for (const ids of sequences) logits.push((await model.forward(ids)).data);
  return logits;
}
