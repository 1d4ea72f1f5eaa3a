/** The vocabulary of a model file: what each id is spelled like and what kind of piece it is.
 *
 *  Checked here, once, so that encoding and decoding need no doubt: every piece is distinct valid
 *  text, the scores are numbers, there is one unknown piece, and byte fallback has its 256 bytes.
 *  Source: google/sentencepiece, src/model_interface.cc at v0.1.97, InitializePieces. */
import { BaichuanError, type ErrorCode, quote } from '../errors.ts';
import { MAX_TEXT_BYTES } from './limits.ts';
import type { ModelProto, RawPieces } from './model-proto.ts';
import { decodeUtf8 } from './utf8.ts';

/** What a piece stands for: ordinary text, no text (`unknown`, `control`), text that matches before
 *  any merging (`user-defined`), one byte of UTF-8, or text that is split again (`unused`). */
export type PieceType = 'normal' | 'unknown' | 'control' | 'user-defined' | 'unused' | 'byte';

export interface Vocabulary {
  /** Spelling by id. */
  pieces: readonly string[];
  types: readonly PieceType[];
  /** Merge priority by id; float32. */
  scores: Float32Array;
  /** Id by spelling. */
  ids: ReadonlyMap<string, number>;
  unkId: number;
  bosId: number | undefined;
  eosId: number | undefined;
  padId: number | undefined;
  /** Id of the piece of each byte; undefined without byte fallback. */
  byteIds: Int32Array | undefined;
  /** Byte by id, −1 for a piece that is not a byte. */
  byteOfId: Int16Array;
}

const TYPES: readonly (PieceType | undefined)[] = [
  undefined,
  'normal',
  'unknown',
  'control',
  'user-defined',
  'unused',
  'byte',
];

const FIX = 'The file is damaged or no Baichuan vocabulary; use the one of the checkpoint.';

/** Checks the pieces of a model and looks up its special ones.
 *  @throws tokenizer-count, tokenizer-piece, tokenizer-score, tokenizer-bytes, tokenizer-special */
export function makeVocabulary(model: ModelProto, file: string | undefined): Vocabulary {
  const { count } = model.pieces;
  if (count === 0) {
    const details = { file, where: 'pieces', what: 'the vocabulary has no pieces.', fix: FIX };
    throw new BaichuanError('tokenizer-count', { ...details, found: 0 });
  }
  const ids = new Map<string, number>();
  const pieces: string[] = [];
  const types: PieceType[] = [];
  for (let id = 0; id < count; id++) {
    const piece = checkedSpelling(model.pieces, id, ids, file);
    ids.set(piece, id);
    pieces.push(piece);
    types.push(checkedType(model.pieces, id, file));
  }
  const { byteIds, byteOfId } = findBytes(model, pieces, types, file);
  const control = (piece: string, isUsed: boolean): number | undefined =>
    isUsed ? findControl(piece, { ids, types }, file) : undefined;
  return {
    pieces,
    types,
    scores: model.pieces.scores.slice(0, count),
    ids,
    unkId: findUnknown(types, file),
    bosId: control(model.bosPiece, model.bosId >= 0),
    eosId: control(model.eosPiece, model.eosId >= 0),
    padId: control(model.padPiece, model.padId >= 0),
    byteIds,
    byteOfId,
  };
}

function checkedSpelling(
  raw: RawPieces,
  id: number,
  ids: ReadonlyMap<string, number>,
  file: string | undefined,
): string {
  const [start, end] = [raw.starts[id], raw.ends[id]];
  const lengthBytes = end - start;
  const piece = lengthBytes > MAX_TEXT_BYTES ? undefined : decodeUtf8(raw.bytes, start, end);
  let what: string;
  if (lengthBytes === 0) what = 'the piece is empty.';
  else if (lengthBytes > MAX_TEXT_BYTES) {
    what = `the piece has ${lengthBytes} bytes, the limit being ${MAX_TEXT_BYTES}.`;
  } else if (piece === undefined) what = 'the piece is not valid UTF-8.';
  else if (ids.has(piece)) what = `the piece ${quote(piece)} is also piece ${ids.get(piece)}.`;
  else return piece;
  throw pieceError('tokenizer-piece', id, what, file);
}

function checkedType(raw: RawPieces, id: number, file: string | undefined): PieceType {
  const type = TYPES[raw.types[id]];
  if (type === undefined) {
    const what = `the piece has the unknown type ${raw.types[id]}.`;
    throw pieceError('tokenizer-score', id, what, file);
  }
  const score = raw.scores[id];
  if (Number.isFinite(score)) return type;
  throw pieceError('tokenizer-score', id, `the score is ${score}, not a number.`, file);
}

function findBytes(
  model: ModelProto,
  pieces: readonly string[],
  types: readonly PieceType[],
  file: string | undefined,
): Pick<Vocabulary, 'byteIds' | 'byteOfId'> {
  const byteOfId = new Int16Array(pieces.length).fill(-1);
  const byteIds = new Int32Array(256);
  let found = 0;
  pieces.forEach((piece, id) => {
    if (types[id] !== 'byte') return;
    const hexadecimal = /^<0x([0-9A-F]{2})>$/.exec(piece)?.[1];
    if (hexadecimal === undefined) {
      const what = `${quote(piece)} has the type of a byte, but not the form <0xNN>.`;
      throw pieceError('tokenizer-bytes', id, what, file);
    }
    if (!model.byteFallback) {
      const what = `${quote(piece)} is a byte, but the model says byte_fallback = false.`;
      throw pieceError('tokenizer-bytes', id, what, file);
    }
    byteOfId[id] = Number.parseInt(hexadecimal, 16);
    byteIds[byteOfId[id]] = id;
    found++;
  });
  if (!model.byteFallback) return { byteIds: undefined, byteOfId };
  if (found !== 256) {
    const what = `byte_fallback needs 256 byte pieces, and the vocabulary has ${found}.`;
    throw new BaichuanError('tokenizer-bytes', { file, where: 'pieces', what, fix: FIX, found });
  }
  return { byteIds, byteOfId };
}

function findUnknown(types: readonly PieceType[], file: string | undefined): number {
  const unkId = types.indexOf('unknown');
  if (unkId < 0) {
    const what = 'the vocabulary has no unknown piece.';
    throw new BaichuanError('tokenizer-special', { file, where: 'pieces', what, fix: FIX });
  }
  const second = types.indexOf('unknown', unkId + 1);
  if (second >= 0) {
    const what = `the piece is of the type unknown, as is piece ${unkId} already.`;
    throw pieceError('tokenizer-special', second, what, file);
  }
  return unkId;
}

/** The id of a special piece by the name that the file gives it; it must be a control piece. */
function findControl(
  piece: string,
  { ids, types }: Pick<Vocabulary, 'ids' | 'types'>,
  file: string | undefined,
): number | undefined {
  const id = ids.get(piece);
  if (id === undefined || types[id] === 'control') return id;
  const what = `${quote(piece)} is of the type ${types[id]}, where control was expected.`;
  throw pieceError('tokenizer-special', id, what, file);
}

function pieceError(
  code: ErrorCode,
  id: number,
  what: string,
  file: string | undefined,
): BaichuanError {
  return new BaichuanError(code, { file, where: `piece ${id}`, what, fix: FIX });
}
