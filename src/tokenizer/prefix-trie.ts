/** The user-defined symbols, arranged to find the longest one at a place of a text.
 *
 *  A trie over UTF-16 code units. SentencePiece matches these symbols before it merges anything and
 *  never merges them with their neighbours.
 *  Source: google/sentencepiece, src/normalizer.cc at v0.1.97, PrefixMatcher. */

interface TrieNode {
  children: Map<number, TrieNode>;
  /** The symbol that ends here, or −1. */
  id: number;
}

/** A symbol found in a text; `id` is −1 and `length` 0 where none starts. */
export interface PrefixMatch {
  id: number;
  /** In UTF-16 code units. */
  length: number;
}

const NO_MATCH: PrefixMatch = { id: -1, length: 0 };

export interface PrefixTrie {
  root: TrieNode;
  /** 1 for each code unit that starts a symbol: most places of a text are ruled out by it. */
  starts: Uint8Array;
}

/** @param symbols the spelling and id of each symbol */
export function makePrefixTrie(symbols: Iterable<readonly [string, number]>): PrefixTrie {
  const root: TrieNode = { children: new Map(), id: -1 };
  const starts = new Uint8Array(0x10000);
  for (const [symbol, id] of symbols) {
    starts[symbol.charCodeAt(0)] = 1;
    let node = root;
    for (let at = 0; at < symbol.length; at++) node = childOf(node, symbol.charCodeAt(at));
    node.id = id;
  }
  return { root, starts };
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
  if (trie.starts[units[at]] === 0) return NO_MATCH;
  let match = NO_MATCH;
  let node: TrieNode | undefined = trie.root;
  for (let end = at; end < units.length; end++) {
    node = node.children.get(units[end]);
    if (node === undefined) break;
    if (node.id < 0 || forbidden[node.id] === 1) continue;
    match = { id: node.id, length: end + 1 - at };
  }
  return match;
}

function childOf(node: TrieNode, unit: number): TrieNode {
  let child = node.children.get(unit);
  if (child === undefined) {
    child = { children: new Map(), id: -1 };
    node.children.set(unit, child);
  }
  return child;
}
