/** A SentencePiece BPE tokenizer, from the bytes of `tokenizer.model`.
 *
 *  Every setting comes from the file. What this reader does not implement (other algorithms than
 *  BPE, character maps, spaces behind words) is refused when the file is loaded, never left out.
 *  7B and 13B have the same vocabulary and add neither BOS nor EOS.
 *  Source: google/sentencepiece at v0.1.97; baichuan-inc/Baichuan-13B-Chat, tokenizer.model. */
import { BaichuanError, quote } from '../errors.ts';
import { sniffForeignFormat } from '../sniff.ts';
import {
  checkTokenId,
  type DecodeOptions,
  type DecodeRules,
  makeStreamDecoder,
  type StreamDecoder,
} from './decode.ts';
import { type EncodedPiece, type EncodeRules, encodeIds, encodePieces } from './encode.ts';
import { MAX_MODEL_BYTES } from './limits.ts';
import { makeMergeTable } from './merge-table.ts';
import { type ModelProto, readModelProto } from './model-proto.ts';
import { makePrefixTrie } from './prefix-trie.ts';
import { makeVocabulary, type PieceType, type Vocabulary } from './vocabulary.ts';

export interface LoadTokenizerOptions {
  /** The file as error messages shall name it. */
  file?: string;
}

export interface EncodeOptions {
  /** True (the default): as SentencePiece does it, text that spells a user-defined symbol becomes
   *  that symbol. False, for text of users: no control piece, none of `forbiddenIds`, and no piece
   *  spelled like `<reserved_7>`, `<SEP>` or `<CLS>` comes out; such spellings are encoded as
   *  ordinary text. */
  allowSpecial?: boolean;
  /** More ids that must not come out, such as the role ids of the generation config; only with
   *  `allowSpecial: false`. */
  forbiddenIds?: readonly number[];
}

export interface Tokenizer {
  /** Number of pieces, V. */
  readonly vocabSize: number;
  readonly unkId: number;
  /** The control piece that starts a text; undefined when the file names none. */
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly padId: number | undefined;
  /** The ids that `allowSpecial: false` forbids without being told. */
  readonly specialIds: readonly number[];
  /** @param text any string; a lone surrogate counts as U+FFFD
   *  @returns token ids, without BOS and EOS
   *  @throws option-value, token-id for `forbiddenIds` */
  encode(text: string, options?: EncodeOptions): number[];
  /** The same tokens with their spelling and their places in the text, in UTF-16 code units. */
  encodePieces(text: string, options?: EncodeOptions): EncodedPiece[];
  /** @param ids token ids @throws token-id */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** Decodes ids as they are generated, in whole characters. */
  streamDecoder(options?: DecodeOptions): StreamDecoder;
  /** @returns the spelling of a piece, with ▁ for a space @throws token-id */
  idToPiece(id: number): string;
  /** @returns the id of the piece spelled so, or undefined */
  pieceToId(piece: string): number | undefined;
  /** @throws token-id */
  pieceType(id: number): PieceType;
  /** @returns the merge priority @throws token-id */
  pieceScore(id: number): number;
}

const EXPECTED_FORMAT = 'a SentencePiece model (tokenizer.model)';
const MODEL_TYPES = ['', 'UNIGRAM', 'BPE', 'WORD', 'CHAR'];
const SPECIAL_SPELLING = /^<(reserved_\d+|SEP|CLS|MASK|PAD|UNK|BOS|EOS)>$/;

/** Reads a tokenizer.
 *  @param bytes the whole file
 *  @throws tokenizer-empty, io-lfs, io-html, io-magic for files of another kind; protobuf-wire and
 *  the codes `tokenizer-…` for a model that is damaged or not implemented */
export function loadTokenizer(bytes: Uint8Array, options: LoadTokenizerOptions = {}): Tokenizer {
  const { file } = options;
  const foreign = sniffForeignFormat(bytes, {
    file,
    expectedFormat: EXPECTED_FORMAT,
    size: bytes.length,
    emptyCode: 'tokenizer-empty',
  });
  if (foreign !== undefined) throw foreign;
  expectSize(bytes.length, file);
  return buildTokenizer(readModelProto(bytes, file), file);
}

/** Makes a tokenizer of a model that was read.
 *  @throws the codes `tokenizer-…` for a model that is damaged or not implemented */
export function buildTokenizer(model: ModelProto, file: string | undefined): Tokenizer {
  expectImplemented(model, file);
  const vocabulary = makeVocabulary(model, file);
  const tokenizer = makeTokenizer(model, vocabulary, file);
  runSelfTests(model, tokenizer, file);
  return tokenizer;
}

function makeTokenizer(
  model: ModelProto,
  vocabulary: Vocabulary,
  file: string | undefined,
): Tokenizer {
  const { pieces, types, scores, ids } = vocabulary;
  const encodeRules = makeEncodeRules(model, vocabulary, file);
  const decodeRules: DecodeRules = { ...model, vocabulary };
  const specialIds = findSpecialIds(vocabulary);
  const rulesFor = (options: EncodeOptions): EncodeRules => {
    checkEncodeOptions(options, vocabulary);
    if (options.allowSpecial ?? true) return encodeRules;
    const forbidden = new Uint8Array(pieces.length);
    for (const id of specialIds) forbidden[id] = 1;
    for (const id of options.forbiddenIds ?? []) forbidden[id] = 1;
    return { ...encodeRules, forbidden };
  };
  const checked = (id: number): number => {
    checkTokenId(id, pieces.length);
    return id;
  };
  return {
    vocabSize: pieces.length,
    unkId: vocabulary.unkId,
    bosId: vocabulary.bosId,
    eosId: vocabulary.eosId,
    padId: vocabulary.padId,
    specialIds,
    encode: (text, options = {}) => encodeIds(checkedText(text), rulesFor(options)),
    encodePieces: (text, options = {}) => encodePieces(checkedText(text), rulesFor(options)),
    decode(tokenIds, options = {}) {
      const decoder = makeStreamDecoder(decodeRules, options);
      let text = '';
      for (const id of tokenIds) text += decoder.push(id);
      return text + decoder.end();
    },
    streamDecoder: (options = {}) => makeStreamDecoder(decodeRules, options),
    idToPiece: (id) => pieces[checked(id)],
    pieceToId: (piece) => ids.get(piece),
    pieceType: (id) => types[checked(id)],
    pieceScore: (id) => scores[checked(id)],
  };
}

function makeEncodeRules(
  model: ModelProto,
  vocabulary: Vocabulary,
  file: string | undefined,
): EncodeRules {
  const { pieces, types } = vocabulary;
  const symbols: [string, number][] = [];
  const unused = new Uint8Array(pieces.length);
  pieces.forEach((piece, id) => {
    if (types[id] === 'user-defined') symbols.push([piece, id]);
    if (types[id] === 'unused') unused[id] = 1;
  });
  const userDefined = makePrefixTrie(symbols, file);
  const hasSpaces = symbols.some(([symbol]) => symbol.includes(' '));
  return {
    vocabulary,
    userDefined,
    normalizer: { ...model, spacedSymbols: hasSpaces ? userDefined : undefined },
    merges: makeMergeTable(vocabulary, file),
    forbidden: new Uint8Array(pieces.length),
    unused,
  };
}

function findSpecialIds({ pieces, types }: Vocabulary): number[] {
  const special: number[] = [];
  pieces.forEach((piece, id) => {
    if (types[id] === 'control' || SPECIAL_SPELLING.test(piece)) special.push(id);
  });
  return special;
}

/** Callers without types may pass anything. */
function checkedText(text: unknown): string {
  if (typeof text === 'string') return text;
  const found = text === null ? 'null' : typeof text;
  throw new BaichuanError('option-value', {
    where: 'text',
    what: `text is ${found}, where a string was expected.`,
    fix: 'Pass the text as a string.',
    expected: 'string',
    found,
  });
}

function checkEncodeOptions(options: EncodeOptions, vocabulary: Vocabulary): void {
  const { allowSpecial = true, forbiddenIds = [] } = options;
  const fail = (what: string, fix: string): BaichuanError =>
    new BaichuanError('option-value', { where: 'forbiddenIds', what, fix });
  if (allowSpecial && forbiddenIds.length > 0) {
    throw fail('forbidden ids need allowSpecial: false.', 'Pass allowSpecial: false with them.');
  }
  for (const id of forbiddenIds) {
    checkTokenId(id, vocabulary.pieces.length);
    const isLastResort =
      vocabulary.byteIds === undefined ? id === vocabulary.unkId : vocabulary.byteOfId[id] >= 0;
    if (!isLastResort) continue;
    const what = `${id} stands for text that no other piece can, so it cannot be forbidden.`;
    throw fail(what, 'Leave it out.');
  }
}

function expectSize(size: number, file: string | undefined): void {
  if (size <= MAX_MODEL_BYTES) return;
  throw new BaichuanError('tokenizer-limit', {
    file,
    where: 'size',
    what: `the file has ${size} bytes, the limit being ${MAX_MODEL_BYTES}.`,
    fix: 'Pass the tokenizer.model of the checkpoint, not its weights.',
    expected: MAX_MODEL_BYTES,
    found: size,
  });
}

function expectImplemented(model: ModelProto, file: string | undefined): void {
  if (model.modelType !== 2) {
    const name = MODEL_TYPES[model.modelType] || String(model.modelType);
    throw new BaichuanError('tokenizer-type', {
      file,
      where: 'trainer_spec.model_type',
      what: `the model is of the type ${name}, and only BPE is implemented.`,
      fix: 'Use a tokenizer.model that SentencePiece trained with --model_type=bpe.',
      expected: 'BPE',
      found: name,
    });
  }
  const fail = (where: string, what: string): BaichuanError => {
    const fix = 'Use a tokenizer.model with identity normalization and spaces before words.';
    return new BaichuanError('tokenizer-normalizer', { file, where, what, fix });
  };
  const maps = { normalizer_spec: model.precompiledCharsmapBytes };
  for (const [spec, size] of Object.entries({
    ...maps,
    denormalizer_spec: model.denormalizerCharsmapBytes,
  })) {
    if (size === 0) continue;
    const what = `the model maps characters (${size} bytes of rules), which is not implemented.`;
    throw fail(`${spec}.precompiled_charsmap`, what);
  }
  if (model.treatWhitespaceAsSuffix) {
    const where = 'trainer_spec.treat_whitespace_as_suffix';
    throw fail(where, 'the model puts spaces behind words, which is not implemented.');
  }
}

function runSelfTests(model: ModelProto, tokenizer: Tokenizer, file: string | undefined): void {
  model.selfTests.forEach(({ input, expected }, index) => {
    const pieces = tokenizer.encodePieces(input).map(({ piece }) => piece);
    const found = pieces.join(' ');
    if (found === expected) return;
    throw new BaichuanError('tokenizer-self-test', {
      file,
      where: `self_test_data.samples[${index}]`,
      what: `${quote(input)} gave ${quote(found)}, where the file expects ${quote(expected)}.`,
      fix: 'The file is damaged, or its pieces were changed without its tests.',
      expected: quote(expected),
      found: quote(found),
    });
  });
}
