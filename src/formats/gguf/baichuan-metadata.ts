/** The metadata of a Baichuan model in a GGUF file, as llama.cpp's converter writes it.
 *  Source: llama.cpp, conversion of Baichuan, `set_gguf_parameters` and `set_vocab`; gguf-py,
 *  constants.py, LlamaFileType and Keys. */
import type { WritableType } from './ggml-types.ts';
import { type Spellings, spellingsOf } from './spellings.ts';
import type { GgufValue } from './values.ts';

/** The sizes of a model; a `BaichuanConfig` is one. */
export interface ModelSizes {
  readonly position: 'rope' | 'alibi';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly headDim: number;
  readonly modelMaxLength: number;
  readonly rmsNormEps: number;
}

/** Types of pieces, the same numbers as in a SentencePiece model. */
export const PIECE_TYPE = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** A vocabulary in flat arrays by id, and the settings that belong to it. */
export interface GgufVocabulary {
  readonly pieces: Spellings & { readonly scores: Float32Array; readonly types: Int32Array };
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unkId: number | undefined;
  readonly padId: number | undefined;
  /** Whether a space is put before a text. */
  readonly addDummyPrefix: boolean;
  /** Whether white space is joined before a text is encoded; llama.cpp never does it. */
  readonly removeExtraWhitespaces: boolean;
}

/** Says that piece types are right though none is user-defined, which a reader may doubt. */
export const EXACT_TYPES = 'baichuan_ts.exact_token_types';

/** The type that the norms had before they were widened to F32, as llama.cpp wants them: with it
 *  they come back with equal bits. */
export const NORM_TYPE = 'baichuan_ts.norm_type';

/** The text of generation_config.json, for which GGUF has no keys. */
export const GENERATION_CONFIG = 'baichuan_ts.generation_config';

/** `general.file_type` by the type of most weights. */
const FILE_TYPES: Readonly<Record<WritableType, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q8_0: 7,
  BF16: 32,
};

/** The version of the block types. */
const QUANTIZATION_VERSION = 2;

/** Every pair, in the order of the converter.
 *  @param type of most weights @param name of the model, for people */
export function baichuanMetadata(
  sizes: ModelSizes,
  vocabulary: GgufVocabulary,
  type: WritableType,
  name: string,
): Map<string, GgufValue> {
  const pairs = new Map<string, GgufValue>();
  const text = (key: string, value: string) => pairs.set(key, { type: 'string', value });
  const uint = (key: string, value: number) => pairs.set(key, { type: 'uint32', value });
  text('general.architecture', 'baichuan');
  text('general.type', 'model');
  text('general.name', name);
  uint('general.file_type', FILE_TYPES[type]);
  uint('general.quantization_version', QUANTIZATION_VERSION);
  text('baichuan.tensor_data_layout', 'Meta AI original pth');
  uint('baichuan.context_length', sizes.modelMaxLength);
  uint('baichuan.embedding_length', sizes.hiddenSize);
  uint('baichuan.block_count', sizes.numHiddenLayers);
  uint('baichuan.feed_forward_length', sizes.intermediateSize);
  uint('baichuan.rope.dimension_count', sizes.headDim);
  uint('baichuan.attention.head_count', sizes.numAttentionHeads);
  uint('baichuan.attention.head_count_kv', sizes.numAttentionHeads);
  const value = sizes.rmsNormEps;
  pairs.set('baichuan.attention.layer_norm_rms_epsilon', { type: 'float32', value });
  addVocabulary(pairs, vocabulary, sizes.vocabSize);
  return pairs;
}

function addVocabulary(
  pairs: Map<string, GgufValue>,
  vocabulary: GgufVocabulary,
  rows: number,
): void {
  const { pieces, scores, types } = padded(vocabulary, rows);
  const flag = (key: string, value: boolean) => pairs.set(key, { type: 'bool', value });
  pairs.set('tokenizer.ggml.model', { type: 'string', value: 'llama' });
  pairs.set('tokenizer.ggml.pre', { type: 'string', value: 'default' });
  pairs.set('tokenizer.ggml.tokens', { type: 'array', of: 'string', items: pieces });
  pairs.set('tokenizer.ggml.scores', { type: 'array', of: 'float32', items: scores });
  pairs.set('tokenizer.ggml.token_type', { type: 'array', of: 'int32', items: types });
  if (!types.includes(PIECE_TYPE.userDefined)) flag(EXACT_TYPES, true);
  const special = [
    ['bos_token_id', vocabulary.bosId],
    ['eos_token_id', vocabulary.eosId],
    ['unknown_token_id', vocabulary.unkId],
    ['padding_token_id', vocabulary.padId],
  ] as const;
  for (const [key, id] of special) {
    if (id !== undefined) pairs.set(`tokenizer.ggml.${key}`, { type: 'uint32', value: id });
  }
  flag('tokenizer.ggml.add_bos_token', false);
  flag('tokenizer.ggml.add_eos_token', false);
  flag('tokenizer.ggml.add_space_prefix', vocabulary.addDummyPrefix);
  if (vocabulary.removeExtraWhitespaces) flag('tokenizer.ggml.remove_extra_whitespaces', true);
}

/** llama.cpp wants a piece for each row of the embedding: the missing ones are unused. */
function padded({ pieces }: GgufVocabulary, rows: number) {
  const { count } = pieces;
  if (count >= rows) {
    const [scores, types] = [pieces.scores.slice(0, count), pieces.types.slice(0, count)];
    return { pieces, scores, types };
  }
  const texts: (string | Uint8Array)[] = [];
  for (let id = 0; id < count; id++) {
    texts.push(pieces.bytes.subarray(pieces.starts[id], pieces.ends[id]));
  }
  for (let id = count; id < rows; id++) texts.push(`[PAD${id}]`);
  const scores = new Float32Array(rows).fill(-10_000, count);
  scores.set(pieces.scores.subarray(0, count));
  const types = new Int32Array(rows).fill(PIECE_TYPE.unused, count);
  types.set(pieces.types.subarray(0, count));
  return { pieces: spellingsOf(texts), scores, types };
}
