import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { segment } from '../../src/tokenizer/bpe.ts';
import { loadTokenizer } from '../../src/tokenizer/index.ts';
import { makeMergeTable } from '../../src/tokenizer/merge-table.ts';
import { readModelProto } from '../../src/tokenizer/model-proto.ts';
import { makePrefixTrie } from '../../src/tokenizer/prefix-trie.ts';
import { makeVocabulary } from '../../src/tokenizer/vocabulary.ts';
import { BPE, BYTE_FALLBACK, BYTE_PIECES, buildModel, TYPE } from './model-builder.ts';

const test = suite('tokenizer/bpe');

interface Merge {
  piece: string;
  score: number;
}

/** BPE as it is defined: look at all neighbours, merge the best, begin again. */
function mergeNaively(text: string, pieces: readonly Merge[]): string[] {
  const scores = new Map(pieces.map(({ piece, score }) => [piece, score]));
  const symbols = [...text];
  for (;;) {
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let at = 0; at + 1 < symbols.length; at++) {
      const score = scores.get(symbols[at] + symbols[at + 1]) ?? Number.NEGATIVE_INFINITY;
      if (score > bestScore) [best, bestScore] = [at, score];
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
  }
}

const LETTERS = ['a', 'b', '你', '😀'];
const letters = fc.constantFrom(...LETTERS);
const word = fc.string({ unit: letters, minLength: 2, maxLength: 6 });

/** Any vocabulary over four letters, with many equal scores, not all letters and parts in it. */
const vocabulary = fc.record({
  words: fc.uniqueArray(word, { maxLength: 30 }),
  known: fc.subarray(LETTERS),
  scores: fc.array(fc.integer({ min: -4, max: 0 }), { minLength: 30, maxLength: 30 }),
});

test('law: the linked list and the heap merge as the definition does', () => {
  const text = fc.string({ unit: letters, maxLength: 60 });
  fc.assert(
    fc.property(vocabulary, text, ({ words, known, scores }, input) => {
      const merges = words.map((piece, index) => ({ piece, score: scores[index] }));
      const pieces = [...known.map((piece) => ({ piece, score: -9 })), ...merges];
      const trainer = [...BPE, ...BYTE_FALLBACK];
      const model = buildModel({ pieces: [...BYTE_PIECES, ...pieces], trainer });
      const found = loadTokenizer(model)
        .encodePieces(input)
        .filter(({ start, end }) => end > start)
        .map(({ start, end }) => input.slice(start, end));
      assert.equal(found, mergeNaively(input, merges));
    }),
    { seed: 1, numRuns: 400 },
  );
});

/** BPE with unused pieces, over the whole text: each is split as it was put together last. */
function splitNaively(text: string, pieces: readonly Merge[], unused: Set<string>): string[] {
  const scores = new Map(pieces.map(({ piece, score }) => [piece, score]));
  const origins = new Map<string, [string, string]>();
  const symbols = [...text];
  const look = (at: number): number => {
    const [left, right] = [symbols[at], symbols[at + 1]];
    if (left === undefined || right === undefined) return Number.NEGATIVE_INFINITY;
    const score = scores.get(left + right) ?? Number.NEGATIVE_INFINITY;
    if (unused.has(left + right)) origins.set(left + right, [left, right]);
    return score;
  };
  for (;;) {
    const found = symbols.map((_, at) => look(at));
    const best = Math.max(...found);
    if (best === Number.NEGATIVE_INFINITY) break;
    const at = found.indexOf(best);
    symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
  }
  const split = (symbol: string): string[] => {
    const origin = unused.has(symbol) ? origins.get(symbol) : undefined;
    return origin === undefined ? [symbol] : origin.flatMap(split);
  };
  return symbols.flatMap(split);
}

test('law: unused pieces are split as they were put together, also in a part of a text', () => {
  const text = fc.string({ unit: letters, minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(vocabulary, text, fc.nat(), ({ words, scores }, input, pattern) => {
      const merges = words.map((piece, index) => ({ piece, score: scores[index] }));
      const unused = new Set(words.filter((_, index) => (pattern >> index) % 2 === 1));
      const pieces = [
        ...LETTERS.map((piece) => ({ piece, score: -9 })),
        ...merges.map((merge) => ({
          ...merge,
          type: unused.has(merge.piece) ? TYPE.unused : TYPE.normal,
        })),
      ];
      const found = loadTokenizer(buildModel({ pieces })).encodePieces(input);
      assert.equal(
        found.map(({ piece }) => piece),
        splitNaively(input, merges, unused),
      );
    }),
    { seed: 1, numRuns: 400 },
  );
});

test('law: a longer piece still forms across a merge that is forbidden', () => {
  const pieces = [
    ...['a', 'b', 'c'].map((piece) => ({ piece, score: -9 })),
    { piece: 'ab', score: -1 },
    { piece: 'bc', score: -2 },
    { piece: 'abc', score: -3 },
  ];
  const tokenizer = loadTokenizer(buildModel({ pieces }));
  const [ab, bc, abc] = ['ab', 'bc', 'abc'].map((piece) => tokenizer.pieceToId(piece) ?? -1);
  const encode = (...forbiddenIds: number[]): number[] =>
    tokenizer.encode('abc', { allowSpecial: false, forbiddenIds });
  assert.equal(encode(), [abc]);
  assert.equal(encode(ab), [abc]);
  assert.equal(encode(ab, abc), [3, bc]);
});

/** a, aa, aaaa, … and the like for 你 and the space: every character of a run takes part. */
function doublingModel(unused: number): Uint8Array {
  const pieces = ['a', '你', '▁', '😀'].flatMap((letter) =>
    [1, 2, 4, 8, 16, 32].map((count) => ({
      piece: letter.repeat(count),
      score: -count,
      type: count === unused ? TYPE.unused : TYPE.normal,
    })),
  );
  return buildModel({ pieces });
}

/** How often merging looks at the table of merges and at the ends of the agenda's runs, while it
 *  cuts a text: the work it does, whatever the machine does beside it. */
function countSteps(model: Uint8Array, text: string): number {
  let steps = 0;
  const counted = <Table extends object>(table: Table): Table =>
    new Proxy(table, {
      get: (target, key) => {
        steps++;
        return Reflect.get(target, key);
      },
    });
  const vocabulary = makeVocabulary(readModelProto(model, undefined), undefined);
  const merges = makeMergeTable(vocabulary, undefined);
  const V = vocabulary.pieces.length;
  const rules = {
    merges: { ...merges, tails: counted(merges.tails), pairs: counted(merges.pairs) },
    userDefined: makePrefixTrie([], undefined),
    forbidden: new Uint8Array(V),
    unused: Uint8Array.from(vocabulary.types, (type) => Number(type === 'unused')),
  };
  segment(utf16(text.replaceAll(' ', '▁')), rules, () => {});
  return steps;
}

function utf16(text: string): Uint16Array {
  return Uint16Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
}

const GROWTH: [string, number][] = [
  ['a', 0],
  ['你', 0],
  [' ', 0],
  ['😀', 0],
  ['a', 4],
];

for (const [letter, unused] of GROWTH) {
  const kind = unused === 0 ? '' : ', with unused pieces';
  const model = doublingModel(unused);
  test(`law: TK10 twice the text of "${letter}" takes 2.3 times the steps at most${kind}`, () => {
    const count = 2 ** 17;
    const steps = countSteps(model, letter.repeat(count));
    assert.ok(steps >= count, `${steps} steps`);
    assert.ok(countSteps(model, letter.repeat(2 * count)) <= 2.3 * steps);
  });

  // Of 1 MB what is quadratic takes minutes: this cannot end in the time that a spec has.
  test(`law: TK10 1 MB of "${letter}" is cut and put together again${kind}`, () => {
    const tokenizer = loadTokenizer(model);
    const text = letter.repeat(2 ** 20 / new TextEncoder().encode(letter).length);
    assert.is(tokenizer.decode(tokenizer.encode(text)), text);
  });
}

test.run();
