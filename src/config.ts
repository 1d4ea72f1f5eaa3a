/** `config.json` → `BaichuanConfig`, every field checked.
 *
 *  The class name and the key of the context length decide together which model it is:
 *    `BaiChuanForCausalLM` + `max_position_embeddings`   7B, rotary positions (RoPE)
 *    `BaichuanForCausalLM` + `model_max_length`          13B, linear biases (ALiBi)
 *  Source: configuration_baichuan.py of baichuan-inc/Baichuan-7B and of Baichuan-13B-Base. A value
 *  that is not implemented is an error, never a default. */

import { type Architecture, takeArchitecture, takeContextLength } from './config-architecture.ts';
import { expectImplemented, SETTINGS } from './config-implemented.ts';
import {
  QUANTIZATION_KEY,
  type StoredQuantization,
  takeQuantization,
} from './config-quantization.ts';
import { type BaichuanError, quote } from './errors.ts';
import { type JsonValue, parseJson } from './json.ts';
import {
  fieldError,
  fieldsOf,
  type JsonFields,
  takeInteger,
  takeNumber,
  takeOptional,
  takeString,
  unexpected,
} from './json-fields.ts';
import { SNIFF_BYTES, sniffForeignFormat } from './sniff.ts';

export type { Architecture, StoredQuantization };

/** How a token knows where it stands. */
export type PositionEncoding = 'rope' | 'alibi';

/** Sizes and constants of a model; sizes count elements. */
export interface BaichuanConfig {
  readonly architecture: Architecture;
  readonly position: PositionEncoding;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** `hiddenSize / numAttentionHeads`. */
  readonly headDim: number;
  /** Positions the model was trained for; later ones are computed all the same. */
  readonly modelMaxLength: number;
  readonly rmsNormEps: number;
  /** Base of the rotary frequencies; unused with ALiBi. */
  readonly ropeTheta: number;
  readonly padTokenId: number;
  readonly bosTokenId: number;
  readonly eosTokenId: number;
  /** What the file says its weights were saved as; the weights themselves decide. */
  readonly torchDtype: 'float32' | 'float16' | 'bfloat16' | undefined;
  /** How the weights of the folder are quantized; absent where they are floats. */
  readonly quantization?: StoredQuantization;
  /** What was accepted though it was odd, one sentence each. */
  readonly notices: readonly string[];
}

const ROPE_THETA = 10_000;

/** The two published models. */
export const CONFIG_PRESETS = {
  'baichuan-7b': preset({
    architecture: 'BaiChuanForCausalLM',
    position: 'rope',
    hiddenSize: 4096,
    intermediateSize: 11_008,
    numHiddenLayers: 32,
    numAttentionHeads: 32,
  }),
  'baichuan-13b': preset({
    architecture: 'BaichuanForCausalLM',
    position: 'alibi',
    hiddenSize: 5120,
    intermediateSize: 13_696,
    numHiddenLayers: 40,
    numAttentionHeads: 40,
  }),
} as const satisfies Record<string, BaichuanConfig>;

type PresetSizes = Pick<
  BaichuanConfig,
  | 'architecture'
  | 'position'
  | 'hiddenSize'
  | 'intermediateSize'
  | 'numHiddenLayers'
  | 'numAttentionHeads'
>;

function preset(sizes: PresetSizes): BaichuanConfig {
  return {
    ...sizes,
    headDim: sizes.hiddenSize / sizes.numAttentionHeads,
    vocabSize: 64_000,
    modelMaxLength: 4096,
    rmsNormEps: 1e-6,
    ropeTheta: ROPE_THETA,
    padTokenId: 0,
    bosTokenId: 1,
    eosTokenId: 2,
    torchDtype: 'bfloat16',
    notices: [],
  };
}

/** Counts the parameters of a model: embedding and head [V, C] each; per layer W_pack [3C, C],
 *  o_proj [C, C], gate_proj and up_proj [F, C], down_proj [C, F] and two norms [C]; a last norm. */
export function countParameters(config: BaichuanConfig): number {
  const { vocabSize: V, hiddenSize: C, intermediateSize: F, numHiddenLayers } = config;
  const layer = 4 * C * C + 3 * C * F + 2 * C;
  return 2 * V * C + numHiddenLayers * layer + C;
}

/** The largest `config.json` that is read, in bytes. */
export const MAX_CONFIG_BYTES = 2 ** 20;

/** The largest values accepted, far above any model of the family. */
const LIMITS = {
  layers: 512,
  heads: 1024,
  hidden: 65_536,
  intermediate: 4 * 65_536,
  vocabulary: 2 ** 20,
} as const;

/** Baichuan 2 has this vocabulary and, under the class name of 13B, a head with normalised rows. */
const BAICHUAN_2_VOCABULARY = 125_696;

/** Reads and checks a `config.json`.
 *  @param json its bytes, or what `parseJson` made of them @param place the file, for messages
 *  @throws config-architecture, config-field, config-limit, config-activation, config-unsupported,
 *  and for bytes io-lfs, io-html, io-magic, json-… */
export function parseConfig(
  json: JsonValue | Uint8Array,
  place: { file?: string | undefined } = {},
): BaichuanConfig {
  const { file } = place;
  const value = json instanceof Uint8Array ? parseConfigBytes(json, file) : json;
  const fields = fieldsOf(value, { file, path: [], code: 'config-field' });
  const notices: string[] = [];
  const architecture = takeArchitecture(fields);
  const position = architecture === 'BaiChuanForCausalLM' ? 'rope' : 'alibi';
  const sizes = takeSizes(fields, position);
  const modelMaxLength = takeContextLength(fields, architecture, notices);
  const rmsNormEps = takeNumber(fields, 'rms_norm_eps', { min: 1e-30, max: 1 });
  expectSilu(fields, notices);
  expectImplemented(fields, { ...sizes, position });
  const tokens = takeSpecialTokens(fields, sizes.vocabSize, notices);
  const torchDtype = takeTorchDtype(fields);
  const quantization = takeQuantization(fields);
  noticeUnknownKeys(fields, notices);
  const ropeTheta = ROPE_THETA;
  const decided = { architecture, position, modelMaxLength, rmsNormEps, ropeTheta } as const;
  const quantized = quantization === undefined ? {} : { quantization };
  return { ...decided, ...sizes, ...tokens, torchDtype, ...quantized, notices };
}

function parseConfigBytes(bytes: Uint8Array, file: string | undefined): JsonValue {
  const foreign = sniffForeignFormat(bytes.subarray(0, SNIFF_BYTES), {
    file,
    expectedFormat: 'a config.json',
    size: bytes.length,
    emptyCode: 'json-syntax',
    acceptsJson: true,
  });
  if (foreign !== undefined) throw foreign;
  return parseJson(bytes, { file, maxBytes: MAX_CONFIG_BYTES });
}

type Sizes = Pick<
  BaichuanConfig,
  | 'vocabSize'
  | 'hiddenSize'
  | 'intermediateSize'
  | 'numHiddenLayers'
  | 'numAttentionHeads'
  | 'headDim'
>;

function takeSizes(fields: JsonFields, position: PositionEncoding): Sizes {
  const size = (key: string, max: number) =>
    takeInteger(fields, key, { min: 1, max, limitCode: 'config-limit' });
  const vocabSize = size('vocab_size', LIMITS.vocabulary);
  if (vocabSize === BAICHUAN_2_VOCABULARY) throw baichuan2Error(fields);
  const hiddenSize = size('hidden_size', LIMITS.hidden);
  const intermediateSize = size('intermediate_size', LIMITS.intermediate);
  const numHiddenLayers = size('num_hidden_layers', LIMITS.layers);
  const numAttentionHeads = size('num_attention_heads', LIMITS.heads);
  const headDim = hiddenSize / numAttentionHeads;
  // Rotary positions turn pairs (i, i + d/2) of a head, so 7B needs an even head.
  const step = position === 'rope' ? 2 : 1;
  if (!Number.isInteger(headDim / step)) {
    const parts = step === 2 ? 'heads of an even size' : 'whole heads';
    throw fieldError(fields, 'num_attention_heads', {
      what: `hidden_size ${hiddenSize} does not split into ${numAttentionHeads} ${parts}.`,
      fix: 'Take the config.json that was published with the model.',
      expected: `a divisor of ${hiddenSize / step}`,
      found: numAttentionHeads,
    });
  }
  return {
    vocabSize,
    hiddenSize,
    intermediateSize,
    numHiddenLayers,
    numAttentionHeads,
    headDim,
  };
}

function baichuan2Error(fields: JsonFields): BaichuanError {
  const what = 'this is a Baichuan 2 model: its head has normalised rows, which is another model.';
  const fix = 'Load a Baichuan-7B or Baichuan-13B checkpoint, whose vocabulary is 64000.';
  const expected = 64_000;
  const found = BAICHUAN_2_VOCABULARY;
  return fieldError(fields, 'vocab_size', { what, fix, expected, found }, 'config-unsupported');
}

function expectSilu(fields: JsonFields, notices: string[]): void {
  const activation = takeOptional(fields, 'hidden_act', takeString);
  if (activation === undefined) notices.push('hidden_act is missing; the published code has silu.');
  if (activation === undefined || activation === 'silu') return;
  throw unexpected(fields, 'hidden_act', '"silu"', 'config-activation');
}

/** The ids of padding, begin and end; the published code has 0, 1 and 2 when they are not given. */
function takeSpecialTokens(fields: JsonFields, vocabSize: number, notices: string[]) {
  const published = [
    ['pad_token_id', 0],
    ['bos_token_id', 1],
    ['eos_token_id', 2],
  ] as const;
  const [padTokenId, bosTokenId, eosTokenId] = published.map(([key, missing]) => {
    const range = { min: 0, max: vocabSize - 1 };
    const id = takeOptional(fields, key, () => takeInteger(fields, key, range));
    if (id !== undefined) return id;
    if (missing >= vocabSize) {
      const what = `it is missing, and the published ${missing} lies beyond the ids.`;
      const fix = `Add ${key}, below vocab_size, to the configuration.`;
      throw fieldError(fields, key, { what, fix, expected: `below ${vocabSize}`, found: missing });
    }
    notices.push(`${key} is missing; the published code has ${missing}.`);
    return missing;
  });
  return { padTokenId, bosTokenId, eosTokenId };
}

function takeTorchDtype(fields: JsonFields): BaichuanConfig['torchDtype'] {
  const key = fields.object.has('torch_dtype') ? 'torch_dtype' : 'dtype';
  const name = takeOptional(fields, key, takeString);
  if (name === undefined) return undefined;
  if (name === 'float32' || name === 'float16' || name === 'bfloat16') return name;
  throw unexpected(fields, key, '"float32", "float16" or "bfloat16"', 'config-unsupported');
}

/** Keys that are read above, and published ones that change nothing here. Code that `auto_map`
 *  names is never run. */
const KNOWN_KEYS: ReadonlySet<string> = new Set([
  ...['architectures', 'model_type', 'vocab_size', 'hidden_size', 'intermediate_size'],
  ...['num_hidden_layers', 'num_attention_heads', 'max_position_embeddings', 'model_max_length'],
  ...['rms_norm_eps', 'hidden_act', 'pad_token_id', 'bos_token_id', 'eos_token_id'],
  ...['torch_dtype', 'dtype', QUANTIZATION_KEY],
  ...['auto_map', '_from_model_config', '_name_or_path', 'transformers_version', 'use_cache'],
  ...['initializer_range', 'z_loss_weight', 'gradient_checkpointing', 'tokenizer_class'],
  ...SETTINGS,
]);

/** Keys that one notice names. */
const MAX_NAMED_KEYS = 10;

function noticeUnknownKeys(fields: JsonFields, notices: string[]): void {
  const unknown = [...fields.object.keys()].filter((key) => !KNOWN_KEYS.has(key));
  if (unknown.length === 0) return;
  const named = unknown.slice(0, MAX_NAMED_KEYS).map(quote).join(', ');
  const more = unknown.length - MAX_NAMED_KEYS;
  notices.push(`Unknown keys are ignored: ${named}${more > 0 ? ` and ${more} more` : ''}.`);
}
