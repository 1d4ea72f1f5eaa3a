/** Text as the vocabulary sees it: spaces written ▁ (U+2581), a ▁ in front, extra spaces removed,
 *  each of these only where the model file says so.
 *
 *  Lone surrogates, which have no UTF-8, become U+FFFD. Nothing else changes: a model with a
 *  character map (NFKC and the like) is refused when it is loaded.
 *  Source: google/sentencepiece, src/normalizer.cc at v0.1.97, Normalizer::Normalize. */
import { longestPrefix, type PrefixTrie } from './prefix-trie.ts';

/** What SentencePiece writes for a space: U+2581, LOWER ONE EIGHTH BLOCK. */
export const SPACE_SYMBOL = '\u2581';
const SPACE_SYMBOL_UNIT = 0x2581;
const SPACE_UNIT = 0x20;
const REPLACEMENT_UNIT = 0xfffd;

export interface NormalizerRules {
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
  /** The user-defined symbols, where some contain a space that must not count as an extra one. */
  spacedSymbols: PrefixTrie | undefined;
}

export interface NormalizedText {
  /** UTF-16 code units. */
  units: Uint16Array;
  /** `[units.length + 1]`: for each unit, and for the end, its offset in the original text. */
  originOf: (index: number) => number;
}

/** Rewrites the spaces of a text as the model's normalizer wants them.
 *  @param text any string
 *  @param forbidden `[V]`: 1 for each id that must not match */
export function normalize(
  text: string,
  rules: NormalizerRules,
  forbidden: Uint8Array,
): NormalizedText {
  if (text.length === 0) return { units: new Uint16Array(0), originOf: () => 0 };
  if (rules.removeExtraWhitespaces || rules.spacedSymbols !== undefined) {
    return normalizeSpaces(text, rules, forbidden);
  }
  const prefixLength = rules.addDummyPrefix ? 1 : 0;
  const space = rules.escapeWhitespaces ? SPACE_SYMBOL_UNIT : SPACE_UNIT;
  const units = new Uint16Array(text.length + prefixLength);
  if (rules.addDummyPrefix) units[0] = space;
  copyUnits(text, units.subarray(prefixLength), space);
  return { units, originOf: (index) => Math.max(0, index - prefixLength) };
}

/** User-defined symbols have one place in the original text, their first unit. Where extra spaces
 *  are removed, those at either end go, and each run inside becomes one. */
function normalizeSpaces(
  text: string,
  rules: NormalizerRules,
  forbidden: Uint8Array,
): NormalizedText {
  const removes = rules.removeExtraWhitespaces;
  const source = new Uint16Array(text.length);
  copyUnits(text, source, SPACE_UNIT);
  const space = rules.escapeWhitespaces ? SPACE_SYMBOL_UNIT : SPACE_UNIT;
  const units = new Uint16Array(text.length + 1);
  const origins = new Int32Array(text.length + 2);
  const unitLengthAt = (at: number): number => symbolLength(source, at, rules, forbidden);
  let at = 0;
  const isExtra = (): boolean => source[at] === SPACE_UNIT && unitLengthAt(at) === 1;
  while (removes && at < source.length && isExtra()) at++;
  if (at === source.length) return { units: new Uint16Array(0), originOf: () => 0 };

  let length = 0;
  const append = (unit: number, origin: number): void => {
    units[length] = unit;
    origins[length] = origin;
    length++;
  };
  if (rules.addDummyPrefix) append(space, at);
  let previousIsSpace = removes;
  while (at < source.length) {
    const end = at + unitLengthAt(at);
    let from = at;
    while (previousIsSpace && from < end && source[from] === SPACE_UNIT) from++;
    if (removes && from < end) previousIsSpace = source[end - 1] === SPACE_UNIT;
    for (; from < end; from++) append(source[from] === SPACE_UNIT ? space : source[from], at);
    at = end;
  }
  // A ▁ that the text itself ends with is removed as well, as in SentencePiece.
  origins[length] = at;
  while (removes && length > 0 && units[length - 1] === space) length--;
  return { units: units.subarray(0, length), originOf: (index) => origins[index] };
}

/** The length of the user-defined symbol at `at`, or one code unit. */
function symbolLength(
  source: Uint16Array,
  at: number,
  { spacedSymbols }: NormalizerRules,
  forbidden: Uint8Array,
): number {
  if (spacedSymbols === undefined) return 1;
  const length = longestPrefix(spacedSymbols, source, at, forbidden).length;
  return Math.max(1, length);
}

/** Copies code units, spaces as `space` and lone surrogates as U+FFFD. */
function copyUnits(text: string, units: Uint16Array, space: number): void {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === SPACE_UNIT) units[at] = space;
    else if ((unit & 0xf800) !== 0xd800) units[at] = unit;
    else if (unit <= 0xdbff && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      units[at] = unit;
      at++;
      units[at] = text.charCodeAt(at);
    } else units[at] = REPLACEMENT_UNIT;
  }
}
