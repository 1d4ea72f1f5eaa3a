/** The vocabulary of a GGUF file, with what its converter is known to lose put right.
 *
 *  llama.cpp's converter has no case for user-defined symbols and writes them as normal pieces, and
 *  it does not write whether a space belongs before a text, which llama.cpp then adds. So a
 *  vocabulary in which no piece is user-defined, though it has the symbols of this family
 *  (`<reserved_1>` …), is repaired: normal pieces of score +0 are user-defined, since a trainer
 *  gives +0 to no other (its first merge has −0), and without the setting no space is added, as
 *  published. Files of our own writer say where their types are right.
 *  Source: llama.cpp, conversion, `_create_vocab_sentencepiece`; sentencepiece at v0.1.97,
 *  src/bpe_model_trainer.cc. */
import { BaichuanError } from '../../errors.ts';
import { EXACT_TYPES, type GgufVocabulary, PIECE_TYPE } from './baichuan-metadata.ts';
import type { Spellings } from './spellings.ts';
import type { GgufMetadata } from './values.ts';

const FIX = 'Convert the model anew, with the tokenizer.model of its checkpoint.';

const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

/** The symbols by which the family is known. */
const RESERVED = /^<reserved_\d+>$/;

export interface ReadVocabulary {
  readonly vocabulary: GgufVocabulary;
  readonly notices: readonly string[];
}

/** Reads the vocabulary.
 *  @returns undefined where the file has none @throws gguf-vocabulary */
export function readVocabulary(metadata: GgufMetadata, file: string): ReadVocabulary | undefined {
  const entry = metadata.get('tokenizer.ggml.tokens');
  if (entry === undefined) return undefined;
  expectModel(metadata, file);
  if (entry.type !== 'array' || entry.of !== 'string') throw lacks(file, 'tokens', 'texts');
  const { items } = entry;
  const scores = metadata.get('tokenizer.ggml.scores');
  const types = metadata.get('tokenizer.ggml.token_type');
  if (scores?.type !== 'array' || scores.of !== 'float32') throw lacks(file, 'scores', 'float32');
  if (types?.type !== 'array' || types.of !== 'int32') throw lacks(file, 'token_type', 'int32');
  const [scoreCount, typeCount] = [scores.items.length, types.items.length];
  if (scoreCount !== items.count || typeCount !== items.count) {
    const counts = `${items.count} tokens, ${scoreCount} scores and ${typeCount} types`;
    throw vocabularyError(file, 'tokens', `there are ${counts}, which must be equal in number.`);
  }
  const isExact = metadata.get(EXACT_TYPES)?.type === 'bool';
  const isLost = !isExact && !types.items.includes(PIECE_TYPE.userDefined);
  const repaired = repairTypes(items, scores.items, types.items, isLost);
  const prefix = takePrefix(metadata, repaired.isFamily, file);
  const id = (name: string) => takeId(metadata, name, items.count, file);
  const vocabulary: GgufVocabulary = {
    pieces: { ...items, scores: scores.items, types: repaired.types },
    ...{ bosId: id('bos_token_id'), eosId: id('eos_token_id') },
    ...{ unkId: id('unknown_token_id'), padId: id('padding_token_id') },
    addDummyPrefix: prefix.value,
    removeExtraWhitespaces: takeFlag(metadata, 'remove_extra_whitespaces', file) ?? false,
  };
  return { vocabulary, notices: [...repaired.notices, ...prefix.notices] };
}

function expectModel(metadata: GgufMetadata, file: string): void {
  const entry = metadata.get('tokenizer.ggml.model');
  if (entry?.type === 'string' && entry.value === 'llama') return;
  const what = 'the vocabulary is none of SentencePiece, which is called "llama" in GGUF files.';
  throw vocabularyError(file, 'model', what);
}

function repairTypes(items: Spellings, scores: Float32Array, types: Int32Array, isLost: boolean) {
  const isSymbol = (id: number) => types[id] === PIECE_TYPE.normal && Object.is(scores[id], 0);
  const hasReserved = (type: number) => {
    for (let id = 0; id < items.count; id++) {
      if (types[id] === type && scores[id] === 0 && RESERVED.test(spelling(items, id))) return true;
    }
    return false;
  };
  const isFamily = hasReserved(isLost ? PIECE_TYPE.normal : PIECE_TYPE.userDefined);
  if (!isLost || !isFamily) return { types, isFamily, notices: [] };
  const repaired = types.map((type, id) => (isSymbol(id) ? PIECE_TYPE.userDefined : type));
  const count = repaired.filter((type, id) => type !== types[id]).length;
  const notice = `${count} user-defined pieces are typed as normal ones, which is repaired.`;
  return { types: repaired, isFamily, notices: [notice] };
}

/** A piece as text; what is not UTF-8 is found when the tokenizer is made. */
function spelling({ bytes, starts, ends }: Spellings, id: number): string {
  return DECODER.decode(bytes.subarray(starts[id], ends[id]));
}

function takePrefix(metadata: GgufMetadata, isFamily: boolean, file: string) {
  const value = takeFlag(metadata, 'add_space_prefix', file);
  if (value !== undefined) return { value, notices: [] };
  if (!isFamily) return { value: true, notices: [] };
  const key = 'tokenizer.ggml.add_space_prefix';
  return {
    value: false,
    notices: [`${key} is missing; no space is put before a text, as published.`],
  };
}

function takeFlag(metadata: GgufMetadata, name: string, file: string): boolean | undefined {
  const entry = metadata.get(`tokenizer.ggml.${name}`);
  if (entry === undefined || entry.type === 'bool') return entry?.value;
  throw vocabularyError(file, name, 'true or false is needed.');
}

function takeId(
  metadata: GgufMetadata,
  name: string,
  count: number,
  file: string,
): number | undefined {
  const entry = metadata.get(`tokenizer.ggml.${name}`);
  if (entry === undefined) return undefined;
  const value = entry.type === 'array' ? undefined : entry.value;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < count) {
    return value;
  }
  throw vocabularyError(file, name, `an id from 0 to ${count - 1} is needed.`);
}

function lacks(file: string, name: string, items: string): BaichuanError {
  return vocabularyError(file, name, `an array of ${items} is needed.`);
}

function vocabularyError(file: string, name: string, what: string): BaichuanError {
  const where = `tokenizer.ggml.${name}`;
  return new BaichuanError('gguf-vocabulary', { file, where, what, fix: FIX });
}
