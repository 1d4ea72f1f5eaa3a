/** Models whose weights have gone through a quantizer and back, and how far their next-token
 *  distributions are from those of the float32 model. */

import { readFileSync } from 'node:fs';
import { type Folder, load, loadTokenizer } from '../../src/index.ts';
import { QUANTIZERS } from '../../src/quantize/index.ts';
import { dequantize, type QuantizedType } from '../../src/tensor/quantized.ts';
import { ggmlQ4, ggmlQ8 } from './ggml-quantizers.ts';
import { joinBytes, memoryFolder, safetensorsFile } from './model-files.ts';
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

/** A way to hold weights. */
export interface Scheme {
  /** What the engine is asked for; llama.cpp's types are dequantized beforehand. */
  readonly quantize: 'none' | QuantizedType;
  readonly activations: 'exact' | 'fast';
  /** The linear layers, and the embedding and the head, as the quantizer gives them back. */
  readonly linear: Quantizer;
  readonly table: Quantizer;
  /** Bytes of a row of each. */
  linearBytes(inFeatures: number): number;
  tableBytes(inFeatures: number): number;
}

const same: Quantizer = (weights) => weights;
const backAndForth =
  (type: QuantizedType): Quantizer =>
  (weights, shape) =>
    dequantize(QUANTIZERS[type](weights, shape));

const groupsOf = (inFeatures: number) => Math.ceil(inFeatures / 32);
const EIGHT_BITS = (inFeatures: number) => 34 * groupsOf(inFeatures);
const FOUR_BITS = (inFeatures: number) => 18 * groupsOf(inFeatures);
const HALF = (inFeatures: number) => 2 * inFeatures;
const FLOAT = (inFeatures: number) => 4 * inFeatures;

const INT8 = {
  quantize: 'int8',
  linear: backAndForth('int8'),
  table: backAndForth('int8'),
  linearBytes: EIGHT_BITS,
  tableBytes: EIGHT_BITS,
} as const;
const INT4 = {
  ...INT8,
  quantize: 'int4',
  linear: backAndForth('int4'),
  linearBytes: FOUR_BITS,
} as const;

/** Ours keep the embedding and the head as int8 groups beside int8 and int4, and as they are in the
 *  file otherwise; llama.cpp's types get eight bits for both, more than its Q4_0 files have. */
export const SCHEMES = {
  float32: {
    ...{ quantize: 'none', activations: 'exact', linear: same, table: same },
    ...{ linearBytes: FLOAT, tableBytes: FLOAT },
  },
  int8: { ...INT8, activations: 'fast' },
  'int8 exact': { ...INT8, activations: 'exact' },
  int4: { ...INT4, activations: 'fast' },
  'int4 exact': { ...INT4, activations: 'exact' },
  'int8-channel': {
    ...{ quantize: 'int8-channel', activations: 'exact' },
    ...{ linear: backAndForth('int8-channel'), table: same },
    ...{ linearBytes: (inFeatures: number) => inFeatures + 4, tableBytes: HALF },
  },
  'int4-channel': {
    ...{ quantize: 'int4-channel', activations: 'exact' },
    ...{ linear: backAndForth('int4-channel'), table: same },
    ...{ linearBytes: (inFeatures: number) => Math.ceil(inFeatures / 2) + 4, tableBytes: HALF },
  },
  Q8_0: {
    ...{ quantize: 'none', activations: 'exact', linear: ggmlQ8, table: ggmlQ8 },
    ...{ linearBytes: EIGHT_BITS, tableBytes: EIGHT_BITS },
  },
  Q4_0: {
    ...{ quantize: 'none', activations: 'exact', linear: ggmlQ4, table: ggmlQ8 },
    ...{ linearBytes: FOUR_BITS, tableBytes: EIGHT_BITS },
  },
} as const satisfies Record<string, Scheme>;

export type SchemeName = keyof typeof SCHEMES;

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

/** Logits of every token of every sequence under a scheme, `[T, V]` each. */
export async function logitsOf(
  parts: ModelParts,
  name: SchemeName,
  sequences: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const { quantize, activations }: Scheme = SCHEMES[name];
  // The engine quantizes the float weights itself, unless the type is none of ours.
  const isOurs = quantize !== 'none';
  const folder = folderOf(isOurs ? parts : throughScheme(parts, SCHEMES[name]));
  const logits: Float32Array[] = [];
  const model = await load(folder, { quantize, activations, threads: 1 });
  try {
    for (const ids of sequences) logits.push((await model.forward(ids)).data);
  } finally {
    await model.close();
  }
  return logits;
}

/** The model as files in memory, float32. */
function folderOf({ config, weights }: ModelParts): Folder {
  const header: Record<string, unknown> = {};
  const chunks: Uint8Array[] = [];
  let end = 0;
  for (const [name, { shape, values }] of weights) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + values.byteLength] };
    end += values.byteLength;
    chunks.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return memoryFolder({
    'config.json': JSON.stringify({ ...config, torch_dtype: 'float32' }),
    'model.safetensors': safetensorsFile(header, joinBytes(...chunks)),
  });
}

/** Bytes of all weights under a scheme, and the squared error of the linear layers that it makes,
 *  relative to their squares. */
export function weightFigures({ weights }: ModelParts, name: SchemeName) {
  const scheme: Scheme = SCHEMES[name];
  let [bytes, error, total] = [0, 0, 0];
  for (const [path, { shape, values }] of weights) {
    const [outFeatures, inFeatures] = shape;
    if (inFeatures === undefined) {
      bytes += 4 * outFeatures;
    } else if (isTable(path)) {
      bytes += outFeatures * scheme.tableBytes(inFeatures);
    } else {
      bytes += outFeatures * scheme.linearBytes(inFeatures);
      const found = scheme.linear(values, [outFeatures, inFeatures]);
      for (let i = 0; i < values.length; i++) {
        error += (values[i] - found[i]) ** 2;
        total += values[i] ** 2;
      }
    }
  }
  return { bytes, squaredError: error / total };
}
