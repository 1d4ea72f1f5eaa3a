/** Which two neighbours merge into which piece, looked up without building a string.
 *
 *  SentencePiece BPE may merge any two neighbours whose texts joined are a piece, whatever pair the
 *  trainer merged. So the table holds every cut of every piece into two symbols:
 *
 *      (left, right) → merged      where text(left) + text(right) = text(merged)
 *
 *  A symbol is a piece or a character that only occurs inside pieces (numbered from V on). For two
 *  characters the table also says whether any piece has them side by side: where none has, no merge
 *  can ever reach across, and the text falls into parts that are merged one by one.
 *  User-defined symbols are in no pair: they match before merging and never merge.
 *  Source: google/sentencepiece, src/bpe_model.cc at v0.1.97, MaybeAddNewSymbolPair. */
import { BaichuanError } from '../errors.ts';
import { makeTails } from './agenda.ts';
import { MAX_CUT_WORK } from './limits.ts';
import { addPair, findPair, makePairMap, type PairMap } from './pair-map.ts';
import type { Vocabulary } from './vocabulary.ts';

/** The pair occurs in no piece. */
export const APART = -2;
/** The pair is no piece itself, but some piece has the two characters side by side. */
export const TOGETHER = -1;
/** The symbol of a character that no piece contains, or that must not merge. */
export const NO_SYMBOL = -1;

export interface MergeTable {
  /** `[0x110000]`: symbol by code point, `NO_SYMBOL` where there is none. */
  symbols: Int32Array;
  /** Merge order by id: 0 merges first; equal scores have equal ranks. */
  ranks: Int32Array;
  /** Working space of the agenda, by rank. */
  tails: Int32Array;
  /** Merged piece, or `TOGETHER`, by two symbols. */
  pairs: PairMap;
}

/** Prepares the merges of a vocabulary: which two symbols make which, and at what rank.
 *  @throws tokenizer-limit */
export function makeMergeTable(vocabulary: Vocabulary, file: string | undefined): MergeTable {
  expectCutWork(vocabulary, file);
  const symbols = numberSymbols(vocabulary);
  return {
    symbols,
    ranks: rankScores(vocabulary),
    tails: makeTails(vocabulary.pieces.length),
    pairs: cutPieces(vocabulary, symbols),
  };
}

/** What the pair of symbols merges into.
 *  @returns a piece id, `TOGETHER` or `APART` */
export function findMerge(table: MergeTable, left: number, right: number): number {
  return findPair(table.pairs, left, right, APART);
}

function isMergeable({ types }: Vocabulary, id: number): boolean {
  return types[id] === 'normal' || types[id] === 'unused';
}

function expectCutWork(vocabulary: Vocabulary, file: string | undefined): void {
  let work = 0;
  vocabulary.pieces.forEach((piece, id) => {
    if (isMergeable(vocabulary, id)) work += piece.length * piece.length;
  });
  if (work <= MAX_CUT_WORK) return;
  throw new BaichuanError('tokenizer-limit', {
    file,
    where: 'pieces',
    what: `the pieces are too many and too long: their squared lengths add up to ${work}.`,
    fix: 'Use the tokenizer.model that came with the checkpoint.',
    expected: MAX_CUT_WORK,
    found: work,
  });
}

/** By code point: the mergeable pieces of one character and, from V on, the characters that only
 *  occur inside mergeable pieces. */
function numberSymbols(vocabulary: Vocabulary): Int32Array {
  const { pieces } = vocabulary;
  const symbols = new Int32Array(0x110000).fill(NO_SYMBOL);
  pieces.forEach((piece, id) => {
    const codePoint = piece.codePointAt(0) ?? 0;
    const isCharacter = piece.length === (codePoint > 0xffff ? 2 : 1);
    if (isCharacter && isMergeable(vocabulary, id)) symbols[codePoint] = id;
  });
  let next = pieces.length;
  pieces.forEach((piece, id) => {
    if (!isMergeable(vocabulary, id)) return;
    for (const character of piece) {
      const codePoint = character.codePointAt(0) ?? 0;
      if (symbols[codePoint] !== NO_SYMBOL) continue;
      symbols[codePoint] = next;
      next++;
    }
  });
  return symbols;
}

function cutPieces(vocabulary: Vocabulary, symbols: Int32Array): PairMap {
  const { pieces } = vocabulary;
  const pairs = makePairMap();
  const filter = makeFilter(vocabulary);
  // Pairs that merge are entered first: a later TOGETHER leaves them as they are.
  pieces.forEach((piece, id) => {
    if (!isMergeable(vocabulary, id)) return;
    let hash = 0;
    for (let cut = 1; cut < piece.length; cut++) {
      hash = nextHash(hash, piece.charCodeAt(cut - 1));
      // A part of one or two units may be a character that is no piece.
      if (cut > 2 && filter[hash >>> FILTER_SHIFT] === 0) continue;
      const left = symbolOf(piece.slice(0, cut), vocabulary, symbols);
      if (left === NO_SYMBOL) continue;
      const right = symbolOf(piece.slice(cut), vocabulary, symbols);
      if (right !== NO_SYMBOL) addPair(pairs, left, right, id);
    }
  });
  pieces.forEach((piece, id) => {
    if (!isMergeable(vocabulary, id)) return;
    let previous = NO_SYMBOL;
    for (const character of piece) {
      const symbol = symbols[character.codePointAt(0) ?? 0];
      if (previous !== NO_SYMBOL) addPair(pairs, previous, symbol, TOGETHER);
      previous = symbol;
    }
  });
  return pairs;
}

const FILTER_LENGTH = 2 ** 20;
/** Leaves the 20 highest bits of 32. */
const FILTER_SHIFT = 12;

/** 1 at the hash of each mergeable piece: most parts of pieces are ruled out by it. */
function makeFilter(vocabulary: Vocabulary): Uint8Array {
  const filter = new Uint8Array(FILTER_LENGTH);
  vocabulary.pieces.forEach((piece, id) => {
    if (!isMergeable(vocabulary, id)) return;
    let hash = 0;
    for (let at = 0; at < piece.length; at++) hash = nextHash(hash, piece.charCodeAt(at));
    filter[hash >>> FILTER_SHIFT] = 1;
  });
  return filter;
}

/** Multiplicative hashing of a text, unit by unit. */
function nextHash(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x9e3779b1);
}

/** The symbol of a part of a piece: half of a surrogate pair is none. */
function symbolOf(text: string, vocabulary: Vocabulary, symbols: Int32Array): number {
  const codePoint = text.codePointAt(0) ?? 0;
  if (text.length === (codePoint > 0xffff ? 2 : 1)) return symbols[codePoint];
  const id = vocabulary.ids.get(text);
  return id !== undefined && isMergeable(vocabulary, id) ? id : NO_SYMBOL;
}

/** rank(i) = the number of distinct scores above score(i). */
function rankScores({ scores }: Vocabulary): Int32Array {
  const rising = scores.slice().sort();
  let count = 0;
  for (const score of rising) {
    if (count > 0 && score === rising[count - 1]) continue;
    rising[count] = score;
    count++;
  }
  const ranks = new Int32Array(scores.length);
  for (let id = 0; id < scores.length; id++) {
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rising[middle] < scores[id]) low = middle + 1;
      else high = middle;
    }
    ranks[id] = count - 1 - low;
  }
  return ranks;
}
