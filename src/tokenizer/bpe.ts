/** Byte-pair encoding as SentencePiece does it: start from single characters, then again and again
 *  merge the two neighbours that give the piece of the highest score, the leftmost of equal ones.
 *
 *  The symbols form a linked list and the possible merges a heap, so n characters take O(n log n).
 *  Where no piece has two characters side by side the text is cut first (`merge-table.ts`), which
 *  changes nothing but leaves a heap of a few entries for most texts.
 *  Source: google/sentencepiece, src/bpe_model.cc at v0.1.97, Model::SampleEncode. */
import { type Agenda, makeAgenda, pop, positionOf, push, rankOf } from './agenda.ts';
import { APART, findMerge, type MergeTable, NO_SYMBOL, TOGETHER } from './merge-table.ts';
import { longestPrefix, type PrefixTrie } from './prefix-trie.ts';

/** A text cut into symbols, in order. */
export interface SymbolList {
  /** Piece ids; below 0, or V and above, for a character that is no piece. */
  symbols: Int32Array;
  /** Where each symbol starts, in UTF-16 code units. */
  starts: Int32Array;
  length: number;
}

/** What segmentation needs from the vocabulary. */
export interface SegmentRules {
  merges: MergeTable;
  userDefined: PrefixTrie;
  /** `[V]`: 1 for each id that may not come out. */
  forbidden: Uint8Array;
  /** `[V]`: 1 for each id of type `unused`. */
  unused: Uint8Array;
}

/** How an unused piece was put together last: what it is split into in the end. */
interface Parts {
  left: number;
  right: number;
  /** Length of the left part in UTF-16 code units. */
  leftLength: number;
}

/** The list of symbols while it is merged; position −1 is beyond either end. */
interface MergeState extends SymbolList {
  rules: SegmentRules;
  previous: Int32Array;
  next: Int32Array;
  /** What each symbol and the one after it would merge into, `TOGETHER` or `APART`. */
  candidates: Int32Array;
  agenda: Agenda;
  parts: Map<number, Parts>;
}

/** Cuts a text into pieces and characters that are none.
 *  @param units the normalized text, in UTF-16 code units */
export function segment(units: Uint16Array, rules: SegmentRules): SymbolList {
  const state = startState(splitCharacters(units, rules), rules);
  // The last split of an unused piece counts in the whole text: then it must stay in one part.
  const { hasUnused } = rules.merges;
  let first = 0;
  for (let at = 0; at < state.length; at++) {
    if (at + 1 < state.length) {
      setCandidate(state, at, at + 1);
      if (hasUnused || state.candidates[at] !== APART) continue;
    }
    if (at > first) mergePart(state, first, at);
    first = at + 1;
  }
  return hasUnused ? splitUnused(state) : collectSymbols(state);
}

/** User-defined symbols where they match, single characters elsewhere. */
function splitCharacters(units: Uint16Array, rules: SegmentRules): SymbolList {
  const { merges, userDefined, forbidden } = rules;
  const symbols = new Int32Array(units.length);
  const starts = new Int32Array(units.length);
  let length = 0;
  for (let at = 0; at < units.length; length++) {
    starts[length] = at;
    const match = longestPrefix(userDefined, units, at, forbidden);
    if (match.length > 0) {
      symbols[length] = match.id;
      at += match.length;
    } else if ((units[at] & 0xfc00) === 0xd800) {
      const codePoint = (units[at] - 0xd800) * 0x400 + (units[at + 1] - 0xdc00) + 0x10000;
      symbols[length] = merges.astralSymbols.get(codePoint) ?? NO_SYMBOL;
      at += 2;
    } else {
      symbols[length] = merges.basicSymbols[units[at]];
      at++;
    }
  }
  return { symbols, starts, length };
}

function startState(list: SymbolList, rules: SegmentRules): MergeState {
  return {
    ...list,
    rules,
    previous: new Int32Array(list.length),
    next: new Int32Array(list.length),
    candidates: new Int32Array(list.length),
    agenda: makeAgenda(rules.merges.tails),
    parts: new Map(),
  };
}

/** Merges the symbols `first` … `last`, of which all neighbours have their candidate. */
function mergePart(state: MergeState, first: number, last: number): void {
  const { agenda, candidates, next, previous, symbols } = state;
  const { ranks } = state.rules.merges;
  for (let at = first; at <= last; at++) {
    previous[at] = at === first ? -1 : at - 1;
    next[at] = at === last ? -1 : at + 1;
    if (at < last && candidates[at] >= 0) push(agenda, ranks[candidates[at]], at);
  }
  while (agenda.heapSize > 0) {
    const key = pop(agenda);
    const left = positionOf(key);
    const merged = candidates[left];
    // A neighbour has merged with something else since this entry was made.
    if (merged < 0 || ranks[merged] !== rankOf(key)) continue;

    const right = next[left];
    symbols[left] = merged;
    symbols[right] = CONSUMED;
    candidates[right] = APART;
    candidates[left] = APART;
    next[left] = next[right];
    if (next[left] >= 0) previous[next[left]] = left;

    if (previous[left] >= 0) addMerge(state, previous[left], left);
    if (next[left] >= 0) addMerge(state, left, next[left]);
  }
}

/** A symbol that has become part of the one before it. */
const CONSUMED = -3;

function addMerge(state: MergeState, left: number, right: number): void {
  setCandidate(state, left, right);
  const merged = state.candidates[left];
  if (merged >= 0) push(state.agenda, state.rules.merges.ranks[merged], left);
}

function setCandidate(state: MergeState, left: number, right: number): void {
  const { rules, symbols, starts } = state;
  let merged = findMerge(rules.merges, symbols[left], symbols[right]);
  if (merged >= 0 && rules.forbidden[merged] === 1) merged = TOGETHER;
  state.candidates[left] = merged;
  if (merged < 0 || rules.unused[merged] === 0) return;
  const leftLength = starts[right] - starts[left];
  state.parts.set(merged, { left: symbols[left], right: symbols[right], leftLength });
}

/** The symbols that are left, closed up. */
function collectSymbols({ symbols, starts, length }: MergeState): SymbolList {
  let count = 0;
  for (let at = 0; at < length; at++) {
    if (symbols[at] === CONSUMED) continue;
    symbols[count] = symbols[at];
    starts[count] = starts[at];
    count++;
  }
  return { symbols, starts, length: count };
}

/** The symbols that are left, unused pieces split into the parts they were made of, and so on. */
function splitUnused(state: MergeState): SymbolList {
  const { symbols, starts, parts, rules } = state;
  const split: SymbolList = { symbols: symbols.slice(), starts: starts.slice(), length: 0 };
  const emit = (symbol: number, start: number): void => {
    const pair = symbol >= 0 && rules.unused[symbol] === 1 ? parts.get(symbol) : undefined;
    if (pair !== undefined) {
      emit(pair.left, start);
      emit(pair.right, start + pair.leftLength);
      return;
    }
    split.symbols[split.length] = symbol;
    split.starts[split.length] = start;
    split.length++;
  };
  for (let at = 0; at < state.length; at++) {
    if (symbols[at] !== CONSUMED) emit(symbols[at], starts[at]);
  }
  return split;
}
