/** The tokenizer, an entry of its own: it needs no model, no file system and no network. */
export { type CheckVocabularyOptions, checkVocabulary } from './check-vocabulary.ts';
export type { DecodeOptions, StreamDecoder } from './decode.ts';
export type { EncodedPiece } from './encode.ts';
export { type TokenizerPieces, tokenizerFromPieces } from './from-pieces.ts';
export { MAX_MODEL_BYTES } from './limits.ts';
export {
  type EncodeOptions,
  type LoadTokenizerOptions,
  loadTokenizer,
  type Tokenizer,
} from './tokenizer.ts';
export type { PieceType } from './vocabulary.ts';
export { type ModelPieces, readModelPieces, writeModelProto } from './write-model-proto.ts';
