/** Text → ids: normalize, segment, then spell in bytes what the vocabulary does not have.
 *
 *  A character that is no piece becomes the byte pieces of its UTF-8 where the model has byte
 *  fallback; otherwise each run of such characters becomes one unknown piece.
 *  Source: google/sentencepiece, src/sentencepiece_processor.cc at v0.1.97,
 *  PopulateSentencePieceText. */
import { type SegmentRules, segment } from './bpe.ts';
import { type NormalizerRules, normalize } from './normalize.ts';
import { utf8Byte, utf8Length } from './utf8.ts';
import type { Vocabulary } from './vocabulary.ts';

/** A piece of an encoded text. */
export interface EncodedPiece {
  id: number;
  /** The piece as the vocabulary spells it (▁ for a space); of an unknown run, its text. */
  piece: string;
  /** First UTF-16 code unit of the input that it stands for. */
  start: number;
  /** One past the last. Of the bytes of one character the last stands for the whole character, and
   *  those before it are empty (`start` = `end`), as in SentencePiece. */
  end: number;
}

export interface EncodeRules extends SegmentRules {
  vocabulary: Vocabulary;
  normalizer: NormalizerRules;
}

/** Receives one token: its id, and where it starts and ends in the normalized text. */
type Emit = (id: number, start: number, end: number) => void;

/** Cuts a text into tokens. @param text any string @returns token ids */
export function encodeIds(text: string, rules: EncodeRules): number[] {
  const ids: number[] = [];
  const { units } = normalize(text, rules.normalizer, rules.forbidden);
  forEachToken(units, rules, (id) => ids.push(id));
  return ids;
}

/** Cuts a text into tokens and says where each came from.
 *  @param text any string @returns tokens with their places in it */
export function encodePieces(text: string, rules: EncodeRules): EncodedPiece[] {
  const encoded: EncodedPiece[] = [];
  const { pieces, unkId } = rules.vocabulary;
  const { units, originOf } = normalize(text, rules.normalizer, rules.forbidden);
  forEachToken(units, rules, (id, start, end) => {
    const piece = id === unkId ? textOf(units.subarray(start, end)) : pieces[id];
    encoded.push({ id, piece, start: originOf(start), end: originOf(end) });
  });
  return encoded;
}

function forEachToken(units: Uint16Array, rules: EncodeRules, emit: Emit): void {
  const { byteIds, pieces, unkId } = rules.vocabulary;
  const { forbidden } = rules;
  let unknownStart = -1;
  segment(units, rules, (symbol, start, end) => {
    const isPiece = symbol >= 0 && symbol < pieces.length && forbidden[symbol] === 0;
    if (isPiece && unknownStart >= 0) {
      emit(unkId, unknownStart, start);
      unknownStart = -1;
    }
    if (isPiece) emit(symbol, start, end);
    else if (byteIds !== undefined) emitBytes(units, start, end, byteIds, emit);
    else if (unknownStart < 0) unknownStart = start;
  });
  if (unknownStart >= 0) emit(unkId, unknownStart, units.length);
}

function emitBytes(
  units: Uint16Array,
  start: number,
  end: number,
  byteIds: Int32Array,
  emit: Emit,
): void {
  const codePoint = textOf(units.subarray(start, end)).codePointAt(0) ?? 0;
  const last = utf8Length(codePoint) - 1;
  for (let index = 0; index < last; index++)
    emit(byteIds[utf8Byte(codePoint, index)], start, start);
  emit(byteIds[utf8Byte(codePoint, last)], start, end);
}

/** How many code units one call turns into a string: the arguments of a call are limited. */
const CHUNK_UNITS = 4096;

function textOf(units: Uint16Array): string {
  let text = '';
  for (let at = 0; at < units.length; at += CHUNK_UNITS) {
    text += String.fromCharCode(...units.subarray(at, at + CHUNK_UNITS));
  }
  return text;
}
