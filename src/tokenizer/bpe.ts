/** Byte-pair encoding as SentencePiece does it: start from single characters, then again and again
 *  merge the two neighbours that give the piece of the highest score, the leftmost of equal ones.
 *
 *  The symbols form a linked list and the possible merges a heap (`agenda.ts`), so n characters
 *  take O(n log n) at worst. Where no piece has two characters side by side, no merge reaches
 *  across (`merge-table.ts`): the text is merged part by part, which changes nothing, but most
 *  parts are a word or less.
 *  Source: google/sentencepiece, src/bpe_model.cc at v0.1.97, Model::SampleEncode. */
import { type Agenda, makeAgenda, pop, positionOf, push, rankOf } from './agenda.ts';
import { APART, findMerge, type MergeTable, TOGETHER } from './merge-table.ts';
import { longestPrefix, type PrefixTrie } from './prefix-trie.ts';

/** What segmentation needs from the vocabulary. */
export interface SegmentRules {
  merges: MergeTable;
  userDefined: PrefixTrie;
  /** `[V]`: 1 for each id that may not come out. */
  forbidden: Uint8Array;
  /** `[V]`: 1 for each id of type `unused`. */
  unused: Uint8Array;
}

/** Receives the symbols of a text in order: a piece id, or a number below 0 or from V on for a
 *  character that is no piece; and where it starts and ends, in UTF-16 code units. */
export type TakeSymbol = (symbol: number, start: number, end: number) => void;

/** The part of the text that is being merged: symbols 0 … length − 1, −1 being beyond either
 *  end. */
interface Part {
  rules: SegmentRules;
  length: number;
  symbols: Int32Array;
  /** Where each symbol starts, in UTF-16 code units. */
  starts: Int32Array;
  /** What each symbol and the one after it would merge into, `TOGETHER` or `APART`. */
  candidates: Int32Array;
  previous: Int32Array;
  next: Int32Array;
  agenda: Agenda;
  /** How each unused piece is put together: it is split so in the end. Always the same way: until
   *  a merge reaches across its ends, the merges inside are those of its text alone. */
  origins: Map<number, Origin>;
}

interface Origin {
  left: number;
  right: number;
  /** Length of the left symbol in UTF-16 code units. */
  leftLength: number;
}

const FIRST_CAPACITY = 64;

/** Cuts a text into pieces and characters that are none.
 *  @param units the normalized text, in UTF-16 code units */
export function segment(units: Uint16Array, rules: SegmentRules, take: TakeSymbol): void {
  const part = makePart(rules);
  for (let at = 0; at < units.length; ) {
    const match = longestPrefix(rules.userDefined, units, at, rules.forbidden);
    const symbol = match.length > 0 ? match.id : characterSymbol(units, at, rules.merges);
    if (!append(part, symbol, at)) {
      finishPart(part, at, take);
      append(part, symbol, at);
    }
    at += match.length > 0 ? match.length : characterLength(units, at);
  }
  finishPart(part, units.length, take);
}

function makePart(rules: SegmentRules): Part {
  return {
    rules,
    length: 0,
    symbols: new Int32Array(FIRST_CAPACITY),
    starts: new Int32Array(FIRST_CAPACITY),
    candidates: new Int32Array(FIRST_CAPACITY),
    previous: new Int32Array(FIRST_CAPACITY),
    next: new Int32Array(FIRST_CAPACITY),
    agenda: makeAgenda(rules.merges.tails),
    origins: new Map(),
  };
}

function characterLength(units: Uint16Array, at: number): number {
  return (units[at] & 0xfc00) === 0xd800 ? 2 : 1;
}

function characterSymbol(units: Uint16Array, at: number, merges: MergeTable): number {
  if (characterLength(units, at) === 1) return merges.symbols[units[at]];
  const codePoint = (units[at] - 0xd800) * 0x400 + (units[at + 1] - 0xdc00) + 0x10000;
  return merges.symbols[codePoint];
}

/** Adds a symbol, unless no piece has it beside the last one: then the part ends before it. */
function append(part: Part, symbol: number, start: number): boolean {
  const { length } = part;
  if (length === part.symbols.length) growCapacity(part);
  part.symbols[length] = symbol;
  part.starts[length] = start;
  if (length > 0) {
    setCandidate(part, length - 1, length);
    if (part.candidates[length - 1] === APART) return false;
  }
  part.length++;
  return true;
}

/** Merges the part, hands its symbols over and empties it. */
function finishPart(part: Part, end: number, take: TakeSymbol): void {
  const { length, symbols, starts, next } = part;
  if (length === 1) take(symbols[0], starts[0], end);
  else if (length > 1) {
    mergePart(part);
    for (let at = 0; at >= 0; at = next[at]) {
      takeSplit(part, symbols[at], starts[at], next[at] < 0 ? end : starts[next[at]], take);
    }
  }
  part.length = 0;
}

function mergePart(part: Part): void {
  const { agenda, candidates, length, next, previous, symbols } = part;
  const { ranks } = part.rules.merges;
  for (let at = 0; at < length; at++) {
    previous[at] = at - 1;
    next[at] = at + 1 < length ? at + 1 : -1;
    if (at + 1 < length && candidates[at] >= 0) push(agenda, ranks[candidates[at]], at);
  }
  candidates[length - 1] = APART;
  while (agenda.heapSize > 0) {
    const key = pop(agenda);
    const left = positionOf(key);
    const merged = candidates[left];
    // A neighbour has merged with something else since this entry was made.
    if (merged < 0 || ranks[merged] !== rankOf(key)) continue;

    const right = next[left];
    symbols[left] = merged;
    candidates[left] = APART;
    candidates[right] = APART;
    next[left] = next[right];
    if (next[left] >= 0) previous[next[left]] = left;

    if (previous[left] >= 0) addMerge(part, previous[left], left);
    if (next[left] >= 0) addMerge(part, left, next[left]);
  }
}

function addMerge(part: Part, left: number, right: number): void {
  setCandidate(part, left, right);
  const merged = part.candidates[left];
  if (merged >= 0) push(part.agenda, part.rules.merges.ranks[merged], left);
}

function setCandidate(part: Part, left: number, right: number): void {
  const { rules, symbols, starts } = part;
  let merged = findMerge(rules.merges, symbols[left], symbols[right]);
  if (merged >= 0 && rules.forbidden[merged] === 1) merged = TOGETHER;
  part.candidates[left] = merged;
  if (merged < 0 || rules.unused[merged] === 0) return;
  const leftLength = starts[right] - starts[left];
  part.origins.set(merged, { left: symbols[left], right: symbols[right], leftLength });
}

/** Hands a symbol over; an unused piece as the two symbols it was made of, and so on. */
function takeSplit(part: Part, symbol: number, start: number, end: number, take: TakeSymbol): void {
  const isUnused = part.rules.unused[symbol] === 1;
  const origin = isUnused ? part.origins.get(symbol) : undefined;
  if (origin === undefined) {
    take(symbol, start, end);
    return;
  }
  const middle = start + origin.leftLength;
  takeSplit(part, origin.left, start, middle, take);
  takeSplit(part, origin.right, middle, end, take);
}

function growCapacity(part: Part): void {
  for (const name of ['symbols', 'starts', 'candidates', 'previous', 'next'] as const) {
    const larger = new Int32Array(2 * part[name].length);
    larger.set(part[name]);
    part[name] = larger;
  }
}
