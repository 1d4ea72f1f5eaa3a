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
import { addPair, findPair, makePairMap, type PairMap } from './pair-map.ts';
import type { Vocabulary } from './vocabulary.ts';

/** The pair occurs in no piece. */
export const APART = -2;
/** The pair is no piece itself, but some piece has the two characters side by side. */
export const TOGETHER = -1;
/** The symbol of a character that no piece contains, or that must not merge. */
export const NO_SYMBOL = -1;

export interface MergeTable {
  /** Symbol by UTF-16 code unit, `NO_SYMBOL` where there is none. */
  basicSymbols: Int32Array;
  /** Symbol by code point above U+FFFF. */
  astralSymbols: ReadonlyMap<number, number>;
  /** Merge order by id: 0 merges first; equal scores have equal ranks. */
  ranks: Int32Array;
  /** Working space of the agenda, by rank. */
  tails: Int32Array;
  /** True when some piece is `unused`: it merges, and is split again in the end. */
  hasUnused: boolean;
  /** Merged piece, or `TOGETHER`, by two symbols. */
  pairs: PairMap;
}

/** The most work that cutting all pieces may take: the sum of their squared lengths. The published
 *  vocabulary takes under 2²². */
const MAX_CUT_WORK = 2 ** 26;

/** @throws tokenizer-limit */
export function makeMergeTable(vocabulary: Vocabulary, file: string | undefined): MergeTable {
  const { pieces, types } = vocabulary;
  const mergeable = new Map<string, number>();
  pieces.forEach((piece, id) => {
    if (types[id] === 'normal' || types[id] === 'unused') mergeable.set(piece, id);
  });
  expectCutWork(mergeable.keys(), file);
  const symbols = numberSymbols(mergeable, pieces.length);
  const pairs = cutPieces(mergeable, symbols);
  const basicSymbols = new Int32Array(0x10000).fill(NO_SYMBOL);
  const astralSymbols = new Map<number, number>();
  for (const [text, symbol] of symbols) {
    const codePoint = text.codePointAt(0) ?? 0;
    if (text.length === 1) basicSymbols[codePoint] = symbol;
    else if (text.length === 2 && codePoint > 0xffff) astralSymbols.set(codePoint, symbol);
  }
  return {
    basicSymbols,
    astralSymbols,
    ranks: rankScores(vocabulary),
    tails: makeTails(pieces.length),
    hasUnused: types.includes('unused'),
    pairs,
  };
}

/** What the pair of symbols merges into.
 *  @returns a piece id, `TOGETHER` or `APART` */
export function findMerge(table: MergeTable, left: number, right: number): number {
  return findPair(table.pairs, left, right, APART);
}

function expectCutWork(pieces: Iterable<string>, file: string | undefined): void {
  let work = 0;
  for (const piece of pieces) work += piece.length * piece.length;
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

/** The mergeable pieces and, from `firstFree` on, the characters that only occur inside them. */
function numberSymbols(
  mergeable: ReadonlyMap<string, number>,
  firstFree: number,
): Map<string, number> {
  const symbols = new Map(mergeable);
  let next = firstFree;
  for (const piece of mergeable.keys()) {
    for (const character of piece) {
      if (symbols.has(character)) continue;
      symbols.set(character, next);
      next++;
    }
  }
  return symbols;
}

function cutPieces(
  mergeable: ReadonlyMap<string, number>,
  symbols: ReadonlyMap<string, number>,
): PairMap {
  const pairs = makePairMap();
  // Pairs that merge are entered first: a later TOGETHER leaves them as they are.
  for (const [piece, id] of mergeable) {
    for (let cut = 1; cut < piece.length; cut++) {
      const left = symbols.get(piece.slice(0, cut));
      if (left === undefined) continue;
      const right = symbols.get(piece.slice(cut));
      if (right !== undefined) addPair(pairs, left, right, id);
    }
  }
  for (const piece of mergeable.keys()) {
    let previous = NO_SYMBOL;
    for (const character of piece) {
      const symbol = symbols.get(character) ?? NO_SYMBOL;
      if (previous !== NO_SYMBOL) addPair(pairs, previous, symbol, TOGETHER);
      previous = symbol;
    }
  }
  return pairs;
}

function rankScores({ scores }: Vocabulary): Int32Array {
  const descending = Float32Array.from(new Set(scores)).sort().reverse();
  const rankOf = new Map(Array.from(descending, (score, rank) => [score, rank]));
  return Int32Array.from(scores, (score) => rankOf.get(score) ?? 0);
}
