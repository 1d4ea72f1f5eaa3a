/** UTF-8, read the way SentencePiece reads it.
 *
 *  A sequence is valid when it is complete, has its shortest form and is neither a surrogate nor
 *  above U+10FFFF. The difference to `TextDecoder`: at an invalid sequence exactly one byte becomes
 *  U+FFFD and reading goes on at the next byte, so E4 BD alone gives two replacement characters.
 *  Source: google/sentencepiece, src/util.cc at v0.1.97, DecodeUTF8. */

/** What stands for a byte that belongs to no character. */
export const REPLACEMENT_CHARACTER = '\ufffd';

/** The number of bytes that a sequence starting with `lead` has; 0 when none starts so. */
export function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc0) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf8 ? 4 : 0;
}

/** Reads the character that starts at `at`.
 *  @returns its code point, or −1 when no valid sequence starts there and ends before `end` */
export function readCodePoint(bytes: ArrayLike<number>, at: number, end: number): number {
  const lead = bytes[at];
  const length = sequenceLength(lead);
  if (length === 1) return lead;
  if (length === 0 || at + length > end) return -1;
  let codePoint = lead & (0x7f >> length);
  for (let index = 1; index < length; index++) {
    const byte = bytes[at + index];
    if ((byte & 0xc0) !== 0x80) return -1;
    codePoint = codePoint * 64 + (byte & 0x3f);
  }
  const isSurrogate = codePoint >= 0xd800 && codePoint <= 0xdfff;
  if (isSurrogate || codePoint > 0x10ffff) return -1;
  return utf8Length(codePoint) === length ? codePoint : -1;
}

/** True when the bytes from `at` to `end` are the beginning of a sequence that more could end. */
export function isUnfinished(bytes: ArrayLike<number>, at: number, end: number): boolean {
  if (at + sequenceLength(bytes[at]) <= end) return false;
  for (let index = at + 1; index < end; index++) {
    if ((bytes[index] & 0xc0) !== 0x80) return false;
  }
  return true;
}

/** The number of bytes of a code point in UTF-8. */
export function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** Byte `index` of a code point in UTF-8. */
export function utf8Byte(codePoint: number, index: number): number {
  const length = utf8Length(codePoint);
  if (length === 1) return codePoint;
  const bits = codePoint >> (6 * (length - 1 - index));
  if (index > 0) return 0x80 | (bits & 0x3f);
  return ((0xf00 >> length) & 0xff) | bits;
}

/** How many code units are joined at once: the arguments of a call are limited. */
const CHUNK_UNITS = 1024;
const chunk = new Uint16Array(CHUNK_UNITS);

/** Decodes valid UTF-8.
 *  @returns the text, or undefined when some byte belongs to no character */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  for (let at = start; at < end; ) {
    let count = 0;
    // A character has two code units at most.
    while (at < end && count < CHUNK_UNITS - 1) {
      const codePoint = readCodePoint(bytes, at, end);
      if (codePoint < 0) return undefined;
      if (codePoint > 0xffff) {
        chunk[count] = 0xd800 + ((codePoint - 0x10000) >> 10);
        count++;
      }
      chunk[count] = codePoint > 0xffff ? 0xdc00 + (codePoint & 0x3ff) : codePoint;
      count++;
      at += utf8Length(codePoint);
    }
    text += joinChunk(count);
  }
  return text;
}

/** Short texts, which most are, are joined unit by unit: that is faster than a call of many. */
function joinChunk(count: number): string {
  if (count > 12) return String.fromCharCode(...chunk.subarray(0, count));
  let text = '';
  for (let index = 0; index < count; index++) text += String.fromCharCode(chunk[index]);
  return text;
}
