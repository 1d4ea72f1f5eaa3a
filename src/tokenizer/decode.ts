/** Ids → text, one id at a time.
 *
 *  Each piece gives its spelling with ▁ as a space; control pieces give nothing, the unknown piece
 *  gives ` ⁇ ` or what the file says. Byte pieces are held back until they make a character; a byte
 *  that belongs to none gives U+FFFD. Where the model adds a space in front of a text, or removes
 *  extra ones, the space in front of the first piece is taken off again.
 *  Source: google/sentencepiece, src/sentencepiece_processor.cc at v0.1.97, Decode. */
import { BaichuanError } from '../errors.ts';
import { SPACE_SYMBOL } from './normalize.ts';
import { isUnfinished, REPLACEMENT_CHARACTER, readCodePoint, utf8Length } from './utf8.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface DecodeRules {
  vocabulary: Vocabulary;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  /** What the unknown piece is written as. */
  unkSurface: string;
}

export interface DecodeOptions {
  /** True (the default) leaves control pieces such as `</s>` out; false writes their spelling. */
  skipSpecial?: boolean;
}

/** Decodes ids as they come; what `push` and `end` return, joined, is what `decode` returns. */
export interface StreamDecoder {
  /** @param id a token id
   *  @returns the text that is certain by now: whole characters only, possibly none
   *  @throws token-id */
  push(id: number): string;
  /** @returns the rest: U+FFFD for each byte still held back. The decoder then starts anew. */
  end(): string;
}

interface DecodeState {
  /** Bytes that may still become a character. */
  bytes: number[];
  /** No text has come out so far. */
  isEmpty: boolean;
  /** The space in front of the text has been taken off. */
  prefixTaken: boolean;
}

/** Starts decoding a sequence of ids. */
export function makeStreamDecoder(rules: DecodeRules, options: DecodeOptions): StreamDecoder {
  const { vocabulary } = rules;
  const state: DecodeState = { bytes: [], isEmpty: true, prefixTaken: false };
  const written = (text: string): string => {
    if (text !== '') state.isEmpty = false;
    return text;
  };
  return {
    push(id) {
      checkTokenId(id, vocabulary.pieces.length);
      const byte = vocabulary.byteOfId[id];
      if (byte >= 0) {
        state.bytes.push(byte);
        return written(takeCharacters(state.bytes, false));
      }
      const held = written(takeCharacters(state.bytes, true));
      return held + written(surfaceOf(id, state, rules, options.skipSpecial ?? true));
    },
    end() {
      const held = takeCharacters(state.bytes, true);
      state.isEmpty = true;
      state.prefixTaken = false;
      return held;
    },
  };
}

/** Refuses an id that is no token.
 *  @throws token-id unless `id` is an integer from 0 to V − 1 */
export function checkTokenId(id: number, vocabSize: number): void {
  if (Number.isInteger(id) && id >= 0 && id < vocabSize) return;
  throw new BaichuanError('token-id', {
    where: 'id',
    what: `${String(id)} is no token id of this vocabulary.`,
    fix: `Pass integers from 0 to ${vocabSize - 1}, without padding.`,
    expected: `0…${vocabSize - 1}`,
    found: id,
  });
}

function surfaceOf(
  id: number,
  state: DecodeState,
  rules: DecodeRules,
  skipSpecial: boolean,
): string {
  const expectsPrefix = state.isEmpty && !state.prefixTaken;
  const { pieces, types } = rules.vocabulary;
  if (types[id] === 'control') return skipSpecial ? '' : pieces[id];
  if (types[id] === 'unknown') return rules.unkSurface;
  let piece = pieces[id];
  const takesPrefix = rules.addDummyPrefix || rules.removeExtraWhitespaces;
  if (expectsPrefix && takesPrefix && piece.startsWith(SPACE_SYMBOL)) {
    piece = piece.slice(SPACE_SYMBOL.length);
    // With extra spaces removed, every space in front of the text goes, not only one.
    state.prefixTaken = !rules.removeExtraWhitespaces;
  }
  return piece.replaceAll(SPACE_SYMBOL, ' ');
}

/** Takes the characters off the front of `bytes` (overwritten).
 *  @param isEnd true when no byte follows, so that an unfinished character is an invalid one */
function takeCharacters(bytes: number[], isEnd: boolean): string {
  if (bytes.length === 0) return '';
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const codePoint = readCodePoint(bytes, at, bytes.length);
    if (codePoint >= 0) {
      text += String.fromCodePoint(codePoint);
      at += utf8Length(codePoint);
    } else {
      if (!isEnd && isUnfinished(bytes, at, bytes.length)) break;
      text += REPLACEMENT_CHARACTER;
      at++;
    }
  }
  bytes.splice(0, at);
  return text;
}
