/** The user-defined symbols, arranged to find the longest one at a place of a text.
 *
 *  A trie over UTF-16 code units, whose nodes are numbers: 0 is the root, and the edges are one
 *  flat map (node, code unit) → node. SentencePiece matches these symbols before it merges anything
 *  and never merges them with their neighbours.
 *  Source: google/sentencepiece, src/normalizer.cc at v0.1.97, PrefixMatcher. */
import { BaichuanError } from '../errors.ts';
import { MAX_SYMBOL_UNITS } from './limits.ts';
import { addPair, findPair, makePairMap, type PairMap } from './pair-map.ts';

/** A symbol found in a text; `id` is −1 and `length` 0 where none starts. */
export interface PrefixMatch {
  id: number;
  /** In UTF-16 code units. */
  length: number;
}

const NONE = -1;
const ROOT = 0;
const NO_MATCH: PrefixMatch = { id: NONE, length: 0 };

export interface PrefixTrie {
  /** The child by node and code unit. */
  edges: PairMap;
  /** The symbol that ends at a node, or −1, by node. */
  ids: Int32Array;
  /** 1 for each node that has children. */
  inner: Uint8Array;
  /** The root's child by code unit, 0 where there is none: most places are ruled out by it. */
  starts: Int32Array;
}

/** Builds the trie of some symbols.
 *  @param symbols the spelling and id of each symbol
 *  @throws tokenizer-limit */
export function makePrefixTrie(
  symbols: readonly (readonly [string, number])[],
  file?: string,
): PrefixTrie {
  let unitCount = 0;
  for (const [symbol] of symbols) unitCount += symbol.length;
  if (unitCount > MAX_SYMBOL_UNITS) throw limitError(unitCount, file);
  const ids = new Int32Array(unitCount + 1).fill(NONE);
  const inner = new Uint8Array(unitCount + 1);
  const starts = new Int32Array(0x10000);
  const edges = makePairMap();
  for (const [symbol, id] of symbols) {
    let node = ROOT;
    for (let at = 0; at < symbol.length; at++) {
      const unit = symbol.charCodeAt(at);
      // Each edge leads to a node of its own: the newest node is the number of edges.
      addPair(edges, node, unit, edges.size + 1);
      inner[node] = 1;
      node = findPair(edges, node, unit, NONE);
      if (at === 0) starts[unit] = node;
    }
    ids[node] = id;
  }
  return { edges, ids, inner, starts };
}

/** The longest symbol that starts at `at`, those with `forbidden[id] = 1` left aside.
 *  @param units `[n]` UTF-16 code units
 *  @param forbidden `[V]` */
export function longestPrefix(
  trie: PrefixTrie,
  units: Uint16Array,
  at: number,
  forbidden: Uint8Array,
): PrefixMatch {
  const { edges, ids, inner, starts } = trie;
  let node = starts[units[at]];
  if (node === ROOT) return NO_MATCH;
  let id = NONE;
  let length = 0;
  for (let end = at + 1; node !== NONE; end++) {
    const symbol = ids[node];
    if (symbol !== NONE && forbidden[symbol] === 0) {
      id = symbol;
      length = end - at;
    }
    if (inner[node] === 0 || end === units.length) break;
    node = findPair(edges, node, units[end], NONE);
  }
  return length === 0 ? NO_MATCH : { id, length };
}

function limitError(unitCount: number, file: string | undefined): BaichuanError {
  return new BaichuanError('tokenizer-limit', {
    file,
    where: 'pieces',
    what: `the user-defined symbols have ${unitCount} UTF-16 code units together.`,
    fix: 'Use the tokenizer.model that came with the checkpoint.',
    expected: MAX_SYMBOL_UNITS,
    found: unitCount,
  });
}
