/** The sizes and constants in the metadata of a GGUF file, as the `config.json` that says the same.
 *
 *  llama.cpp tells the two models apart by their layers: 40 have ALiBi (13B), any other number has
 *  rotary positions (7B). Its converter leaves out settings that have one value; a setting that is
 *  there with another value would change the result, and is an error.
 *  Source: llama.cpp, src/llama-model.cpp, LLM_ARCH_BAICHUAN; gguf-py, constants.py, Keys. */
import { BaichuanError, quote } from '../../errors.ts';
import type { GgufMetadata, GgufValue } from './values.ts';

export interface GgufModelConfig {
  /** The bytes of a config.json. */
  readonly config: Uint8Array;
  readonly layers: number;
  readonly heads: number;
  readonly hiddenSize: number;
  readonly notices: readonly string[];
}

/** The layers of 13B, which alone has ALiBi. */
export const ALIBI_LAYERS = 40;

const FIX = 'Convert the published checkpoint anew; other architectures are not implemented.';

/** Settings that change what is computed, and the values that leave it as it is. */
const NEUTRAL: ReadonlyMap<string, (sizes: Sizes) => readonly (number | string | boolean)[]> =
  new Map<string, (sizes: Sizes) => readonly (number | string | boolean)[]>([
    ['attention.head_count_kv', ({ heads }) => [heads]],
    ['attention.key_length', ({ headDim }) => [headDim]],
    ['attention.value_length', ({ headDim }) => [headDim]],
    ['attention.causal', () => [true]],
    ['attention.clamp_kqv', () => [0]],
    ['attention.max_alibi_bias', ({ layers }) => [layers === ALIBI_LAYERS ? 8 : 0]],
    ['attention.scale', () => []],
    ['attention.sliding_window', () => [0]],
    ['attn_logit_softcapping', () => [0]],
    ['final_logit_softcapping', () => [0]],
    ['logit_scale', () => [1]],
    ['residual_scale', () => [1]],
    ['embedding_scale', () => [1]],
    ['expert_count', () => [0]],
    ['expert_used_count', () => [0]],
    ['rope.dimension_count', ({ headDim }) => [headDim]],
    ['rope.freq_base', () => [10_000]],
    ['rope.scale_linear', () => [1]],
    ['rope.scaling.type', () => ['none']],
    ['rope.scaling.factor', () => [1]],
    ['rope.scaling.attn_factor', () => [1]],
    ['use_parallel_residual', () => [false]],
    ['vocab_size', ({ rows }) => [rows]],
  ]);

/** Keys that are read, and those that change nothing. */
const OTHER_KEYS = new Set([
  ...['context_length', 'embedding_length', 'block_count', 'feed_forward_length'],
  ...['attention.head_count', 'attention.layer_norm_rms_epsilon', 'tensor_data_layout'],
  ...['rope.scaling.original_context_length', 'rope.scaling.finetuned'],
]);

/** Settings that may have a value for each layer, all of which must be equal.
 *  Source: llama.cpp, src/llama-model-loader.cpp, `get_key_or_arr`. */
const PER_LAYER = new Set(['attention.head_count_kv']);

interface Sizes {
  readonly layers: number;
  readonly heads: number;
  readonly headDim: number;
  /** Of the embedding. */
  readonly rows: number;
}

/** Reads the configuration.
 *  @param rows V, of the embedding tensor
 *  @throws gguf-metadata */
export function readModelConfig(
  metadata: GgufMetadata,
  rows: number,
  file: string,
): GgufModelConfig {
  const size = (key: string) => takeSize(metadata, `baichuan.${key}`, file);
  const layers = size('block_count');
  const heads = size('attention.head_count');
  const hiddenSize = size('embedding_length');
  expectHeads(hiddenSize, heads, file);
  const sizes = { layers, heads, headDim: hiddenSize / heads, rows };
  const notices = [...expectNeutral(metadata, sizes, file), ...layerNotices(layers, file)];
  const isAlibi = layers === ALIBI_LAYERS;
  const config = {
    architectures: [isAlibi ? 'BaichuanForCausalLM' : 'BaiChuanForCausalLM'],
    model_type: 'baichuan',
    vocab_size: rows,
    hidden_size: hiddenSize,
    intermediate_size: size('feed_forward_length'),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    [isAlibi ? 'model_max_length' : 'max_position_embeddings']: size('context_length'),
    rms_norm_eps: takeEpsilon(metadata, file),
    hidden_act: 'silu',
    pad_token_id: takeId(metadata, 'padding_token_id', 0, file),
    bos_token_id: takeId(metadata, 'bos_token_id', 1, file),
    eos_token_id: takeId(metadata, 'eos_token_id', 2, file),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  return { config: bytes, layers, heads, hiddenSize, notices };
}

/** Refuses models of other architectures, whose tensors have other names and meanings.
 *  @throws gguf-architecture */
export function expectArchitecture(metadata: GgufMetadata, file: string): void {
  const entry = metadata.get('general.architecture');
  if (entry?.type === 'string' && entry.value === 'baichuan') return;
  const found = entry === undefined ? 'nothing' : showValue(entry);
  throw new BaichuanError('gguf-architecture', {
    file,
    where: 'general.architecture',
    what: `the file holds a model of the architecture ${found}, not "baichuan".`,
    fix: 'Load a GGUF file of Baichuan-7B or Baichuan-13B.',
    expected: 'baichuan',
    found,
  });
}

function expectHeads(hiddenSize: number, heads: number, file: string): void {
  if (hiddenSize % heads === 0) return;
  const what = `embedding_length ${hiddenSize} does not split into ${heads} heads.`;
  throw metadataError(file, 'baichuan.attention.head_count', what, heads);
}

function takeSize(metadata: GgufMetadata, key: string, file: string): number {
  const entry = metadata.get(key);
  const value = entry?.type === 'array' ? undefined : entry?.value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value < 2 ** 31) {
    return value;
  }
  const what = `a positive integer is needed, not ${describe(entry)}.`;
  throw metadataError(file, key, what, foundOf(entry));
}

/** The shortest decimal of the float32, so that 1e-6 is the number that a config.json has. A
 *  float64 is rounded to one, with which the models compute. */
function takeEpsilon(metadata: GgufMetadata, file: string): number {
  const key = 'baichuan.attention.layer_norm_rms_epsilon';
  const entry = metadata.get(key);
  const isFloat = entry?.type === 'float32' || entry?.type === 'float64';
  const value = isFloat ? Math.fround(Number(entry.value)) : Number.NaN;
  if (value > 0 && value <= 1) {
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return value;
  }
  const what = `a float32 or float64 above 0 and up to 1 is needed, not ${describe(entry)}.`;
  throw metadataError(file, key, what, foundOf(entry));
}

/** A text that a file may have. @throws gguf-metadata */
export function takeText(metadata: GgufMetadata, key: string, file: string): string | undefined {
  const entry = metadata.get(key);
  if (entry === undefined || entry.type === 'string') return entry?.value;
  const what = `a text is needed, not ${describe(entry)}.`;
  throw metadataError(file, key, what, showValue(entry));
}

/** The id of a special piece; the published one where the file names none. */
function takeId(metadata: GgufMetadata, name: string, published: number, file: string): number {
  const key = `tokenizer.ggml.${name}`;
  const entry = metadata.get(key);
  if (entry === undefined) return published;
  const value = entry.type === 'array' ? undefined : entry.value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw metadataError(file, key, `an id is needed, not ${describe(entry)}.`, showValue(entry));
}

function expectNeutral(metadata: GgufMetadata, sizes: Sizes, file: string): string[] {
  const notices: string[] = [];
  for (const [key, entry] of metadata) {
    if (!key.startsWith('baichuan.')) continue;
    const setting = key.slice('baichuan.'.length);
    const neutral = NEUTRAL.get(setting);
    if (neutral === undefined) {
      if (!OTHER_KEYS.has(setting)) notices.push(`${file} has ${quote(key)}, which is not known.`);
      continue;
    }
    const allowed = neutral(sizes);
    const value = PER_LAYER.has(setting) ? commonValue(entry, sizes.layers) : plainValue(entry);
    if (allowed.some((one) => one === value)) continue;
    const only = allowed.length === 0 ? 'no value' : allowed.map((one) => String(one)).join(', ');
    const what = `${only} is implemented for this model, not ${describe(entry)}.`;
    throw metadataError(file, key, what, showValue(entry));
  }
  return notices;
}

function plainValue(entry: GgufValue) {
  return entry.type === 'array' ? undefined : entry.value;
}

/** A value that is there once, or once for each layer and always the same. */
function commonValue(entry: GgufValue, layers: number) {
  if (entry.type !== 'array') return entry.value;
  if (entry.of !== 'int32' && entry.of !== 'uint32') return undefined;
  const [first, ...others] = entry.items.subarray(0, layers);
  const isCommon = entry.items.length === layers && others.every((one) => one === first);
  return isCommon ? first : undefined;
}

function layerNotices(layers: number, file: string): string[] {
  if (layers === 32 || layers === ALIBI_LAYERS) return [];
  const rule = `only ${ALIBI_LAYERS} layers have ALiBi`;
  return [`${file} has ${layers} layers; as in llama.cpp, ${rule}, so positions are rotary.`];
}

function metadataError(
  file: string,
  key: string,
  what: string,
  found: string | number,
): BaichuanError {
  return new BaichuanError('gguf-metadata', { file, where: key, what, fix: FIX, found });
}

/** Items of an array that a message shows. */
const SHOWN_ITEMS = 8;

/** A value in a message. */
export function showValue(value: GgufValue): string {
  if (value.type === 'string') return quote(value.value);
  if (value.type !== 'array') return String(value.value);
  if (value.of === 'other') return value.what;
  if (value.of === 'string') return `an array of ${value.items.count} texts`;
  const { length } = value.items;
  const shown = value.items.subarray(0, SHOWN_ITEMS).join(', ');
  return `an array of ${length} ${value.of} (${shown}${length > SHOWN_ITEMS ? ' …' : ''})`;
}

/** A value and its type. */
function describe(value: GgufValue | undefined): string {
  const shown = foundOf(value);
  return value === undefined || value.type === 'array' ? shown : `${shown} (${value.type})`;
}

function foundOf(value: GgufValue | undefined): string {
  return value === undefined ? 'nothing' : showValue(value);
}
