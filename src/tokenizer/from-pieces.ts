/** A tokenizer from its pieces and the settings that change ids or text, as other files than
 *  `tokenizer.model` hold them (GGUF). What they leave out has the value that every published
 *  vocabulary has: BPE, byte fallback where there are byte pieces, ▁ for a space. */
import { BaichuanError } from '../errors.ts';
import { MAX_PIECES } from './limits.ts';
import type { ModelProto, RawPieces } from './model-proto.ts';
import { buildTokenizer, type LoadTokenizerOptions, type Tokenizer } from './tokenizer.ts';
import { decodeUtf8 } from './utf8.ts';

/** Numbers of piece types in a SentencePiece model. */
const CONTROL = 3;
const BYTE = 6;

export interface TokenizerPieces {
  /** In flat arrays by id. */
  readonly pieces: Readonly<RawPieces>;
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  /** Only a control piece is one of the tokenizer's; other ids that pad are the model's affair. */
  readonly padId?: number | undefined;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
}

/** Makes a tokenizer.
 *  @throws tokenizer-count, tokenizer-piece, tokenizer-score, tokenizer-bytes, tokenizer-special */
export function tokenizerFromPieces(
  data: TokenizerPieces,
  options: LoadTokenizerOptions = {},
): Tokenizer {
  const { file } = options;
  const { pieces, bosId, eosId, padId } = data;
  if (pieces.count > MAX_PIECES) throw countError(pieces.count, file);
  const spelling = (id: number | undefined) => specialSpelling(pieces, id, file);
  const isPad = padId !== undefined && pieces.types[padId] === CONTROL;
  const model: ModelProto = {
    pieces,
    modelType: 2,
    byteFallback: pieces.types.subarray(0, pieces.count).includes(BYTE),
    treatWhitespaceAsSuffix: false,
    unkSurface: ' \u2047 ',
    unkPiece: '<unk>',
    ...{ bosId: bosId ?? -1, bosPiece: spelling(bosId) },
    ...{ eosId: eosId ?? -1, eosPiece: spelling(eosId) },
    ...{ padId: isPad ? padId : -1, padPiece: spelling(isPad ? padId : undefined) },
    addDummyPrefix: data.addDummyPrefix,
    removeExtraWhitespaces: data.removeExtraWhitespaces,
    escapeWhitespaces: true,
    ...{ precompiledCharsmapBytes: 0, denormalizerCharsmapBytes: 0, selfTests: [] },
  };
  return buildTokenizer(model, file);
}

/** The spelling of a special piece; one that is not UTF-8 is refused with the other pieces. */
function specialSpelling(
  { count, bytes, starts, ends }: RawPieces,
  id: number | undefined,
  file: string | undefined,
): string {
  if (id === undefined) return '';
  if (Number.isInteger(id) && id >= 0 && id < count) {
    return decodeUtf8(bytes, starts[id], ends[id]) ?? '';
  }
  throw new BaichuanError('tokenizer-special', {
    file,
    where: 'pieces',
    what: `a special piece has the id ${id}, where there are ${count} pieces.`,
    fix: 'Convert the model anew, with the tokenizer.model of its checkpoint.',
    found: id,
  });
}

function countError(count: number, file: string | undefined): BaichuanError {
  return new BaichuanError('tokenizer-count', {
    file,
    where: 'pieces',
    what: `the vocabulary has ${count} pieces, more than ${MAX_PIECES}.`,
    fix: 'Load a model of the Baichuan family.',
    expected: MAX_PIECES,
    found: count,
  });
}
