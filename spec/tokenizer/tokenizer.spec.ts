import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer } from '../../src/tokenizer/index.ts';
import { expectRefusal } from '../support/refusal.ts';
import { cases, readModel, texts, tokenizers } from './fixtures.ts';
import {
  BPE,
  BYTE_FALLBACK,
  BYTE_PIECES,
  buildModel,
  bytesField,
  NO_PREFIX,
  SPECIAL,
  TYPE,
  utf8,
  varintField,
} from './model-builder.ts';

const test = suite('tokenizer');

/** Any valid text, with a lean to what the vocabularies hold. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...texts),
      fc.constantFrom(' ', '  ', '\n', '<reserved_3>', '<SEP>', '</s>', '<0x41>', 'the river'),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
    ),
    { maxLength: 5 },
  )
  .map((parts) => parts.join(''));

for (const { variant, tokenizer, encodings, decodings } of cases) {
  test(`golden: ${variant} encodes 600 texts to the ids of SentencePiece`, () => {
    encodings.forEach(({ ids }, index) => {
      assert.equal(tokenizer.encode(texts[index]), ids, JSON.stringify(texts[index]));
    });
    assert.is(encodings.length, 600);
  });

  test(`golden: ${variant} decodes the ids of 600 texts as SentencePiece does`, () => {
    encodings.forEach(({ ids, decoded }, index) => {
      assert.is(tokenizer.decode(ids), decoded ?? texts[index]);
    });
  });

  test(`golden: ${variant} decodes any ids, broken characters too, as SentencePiece does`, () => {
    for (const { ids, decoded } of decodings) assert.is(tokenizer.decode(ids), decoded, `${ids}`);
    assert.is(decodings.length, 120);
  });

  test(`golden: ${variant} places pieces in the text as SentencePiece does`, () => {
    encodings.forEach(({ offsets }, index) => {
      if (offsets === undefined) return;
      const places = tokenizer.encodePieces(texts[index]).map(({ start, end }) => [start, end]);
      assert.equal(places, offsets, JSON.stringify(texts[index]));
    });
  });

  test(`law: in ${variant} encodePieces has the ids of encode, and spells each of them`, () => {
    fc.assert(
      fc.property(text, (input) => {
        const pieces = tokenizer.encodePieces(input);
        assert.equal(
          pieces.map(({ id }) => id),
          tokenizer.encode(input),
        );
        for (const { id, piece } of pieces) {
          if (id !== tokenizer.unkId) assert.is(piece, tokenizer.idToPiece(id));
        }
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  test(`law: in ${variant} the id of a piece's spelling is the id of the piece`, () => {
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      assert.is(tokenizer.pieceToId(tokenizer.idToPiece(id)), id);
    }
    assert.is(tokenizer.pieceToId('no such piece'), undefined);
  });
}

for (const variant of ['user', 'plain'] as const) {
  const tokenizer = tokenizers[variant];

  test(`law: with the published settings decode(encode(x)) is x (${variant})`, () => {
    fc.assert(
      fc.property(text, (input) => {
        // ▁ and the space are the same to SentencePiece.
        assert.is(tokenizer.decode(tokenizer.encode(input)), input.replaceAll('\u2581', ' '));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test(`law: with the published settings the pieces tile the text (${variant})`, () => {
    fc.assert(
      fc.property(text, (input) => {
        let end = 0;
        for (const piece of tokenizer.encodePieces(input)) {
          assert.is(piece.start, end);
          assert.ok(piece.end >= piece.start);
          end = piece.end;
        }
        assert.is(end, input.length);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
}

test('law: the settings of the file change the ids of the same text', () => {
  const [input, word] = ['  river  ', 'river'];
  const pieces = [{ piece: 'r' }, { piece: '▁' }, { piece: '▁r', score: -1 }, { piece: ' ' }];
  const encode = (normalizer: readonly number[], value: string): string =>
    loadTokenizer(buildModel({ pieces, normalizer }))
      .encodePieces(value)
      .map(({ piece }) => piece)
      .join('|');
  assert.is(encode(NO_PREFIX, input), '▁|▁r|ive|r|▁|▁');
  assert.is(encode([...varintField(3, 1), ...varintField(4, 0)], word), '▁r|ive|r');
  assert.is(encode([...varintField(3, 0), ...varintField(4, 1)], input), 'r|ive|r');
  assert.is(encode([], input), '▁r|ive|r');
  assert.is(encode([...NO_PREFIX, ...varintField(5, 0)], ' r'), ' |r');
});

test('law: the highest score merges first, of equal ones the leftmost', () => {
  const letters = ['a', 'b', 'c'].map((piece) => ({ piece, score: -9 }));
  const spell = (ab: number, bc: number, value = 'abc'): string => {
    const merges = [
      { piece: 'ab', score: ab },
      { piece: 'bc', score: bc },
    ];
    const tokenizer = loadTokenizer(buildModel({ pieces: [...letters, ...merges] }));
    return tokenizer
      .encodePieces(value)
      .map(({ piece }) => piece)
      .join('|');
  };
  assert.is(spell(-1, -2), 'ab|c');
  assert.is(spell(-2, -1), 'a|bc');
  assert.is(spell(-1, -1), 'ab|c');
  assert.is(spell(-1, -1, 'abcabc'), 'ab|c|ab|c');
});

test('law: an unused piece merges, and is split again into what it was made of', () => {
  const pieces = (type: number) => [
    ...['a', 'b', 'c'].map((piece) => ({ piece, score: -9 })),
    { piece: 'ab', score: -1, type },
    { piece: 'abc', score: -2 },
  ];
  const spell = (type: number, input: string): string =>
    loadTokenizer(buildModel({ pieces: pieces(type) }))
      .encodePieces(input)
      .map(({ piece }) => piece)
      .join('|');
  assert.is(spell(TYPE.normal, 'abcab'), 'abc|ab');
  assert.is(spell(TYPE.unused, 'abcab'), 'abc|a|b');
});

test('law: the longest user-defined symbol matches first, and never merges', () => {
  const pieces = [
    { piece: '<a', type: TYPE.userDefined },
    { piece: '<a>b', type: TYPE.userDefined },
    { piece: '>', score: -1 },
    { piece: '<a>', score: 5 },
  ];
  const tokenizer = loadTokenizer(buildModel({ pieces }));
  const spell = (input: string): string =>
    tokenizer
      .encodePieces(input)
      .map(({ piece }) => piece)
      .join('|');
  assert.is(spell('<a><a>b>'), '<a|>|<a>b|>');
});

test('law: characters without a piece become bytes, or one unknown piece a run', () => {
  const trainer = [...BPE, ...BYTE_FALLBACK];
  const bytes = loadTokenizer(buildModel({ pieces: [...BYTE_PIECES, { piece: 'a' }], trainer }));
  assert.equal(bytes.encodePieces('a你'), [
    { id: SPECIAL.length + 256, piece: 'a', start: 0, end: 1 },
    { id: SPECIAL.length + 0xe4, piece: '<0xE4>', start: 1, end: 1 },
    { id: SPECIAL.length + 0xbd, piece: '<0xBD>', start: 1, end: 1 },
    { id: SPECIAL.length + 0xa0, piece: '<0xA0>', start: 1, end: 2 },
  ]);
  const unknown = loadTokenizer(buildModel({ pieces: [{ piece: 'a' }] }));
  assert.equal(unknown.encodePieces('a你好a'), [
    { id: 3, piece: 'a', start: 0, end: 1 },
    { id: 0, piece: '你好', start: 1, end: 3 },
    { id: 3, piece: 'a', start: 3, end: 4 },
  ]);
  assert.is(unknown.decode([3, 0, 3]), 'a \u2047 a');
});

test('law: TK10 a lone surrogate is encoded as U+FFFD', () => {
  for (const lone of ['\ud83d', '\ude00', '\ude00\ud83d', 'a\ud83db']) {
    for (const { tokenizer } of cases) {
      const replaced = lone.replace(/[\ud800-\udfff]/g, '\ufffd');
      assert.equal(tokenizer.encode(lone), tokenizer.encode(replaced));
    }
  }
  assert.is(tokenizers.user.decode(tokenizers.user.encode('a\ud83db')), 'a\ufffdb');
});

const UNUSUAL = [
  '\u0000',
  'a\u0000b\u0000',
  '👨\u200d👩\u200d👧\u200d👦 👍🏽 🇨🇳',
  'e\u0301 a\u0308\u0323 \u0301',
  'שלום \u202eעולם\u202c مرحبا',
  `${' '.repeat(50)}\t\r\n\u3000\u00a0\ufeff`,
];

test('law: TK10 NUL, joined emoji, combining marks and right-to-left text come back whole', () => {
  for (const variant of ['user', 'plain'] as const) {
    const tokenizer = tokenizers[variant];
    for (const input of UNUSUAL) {
      for (const allowSpecial of [true, false]) {
        const ids = tokenizer.encode(input, { allowSpecial });
        assert.is(tokenizer.decode(ids), input, JSON.stringify(input));
      }
    }
  }
});

test('error: what is no string is refused, not encoded', async () => {
  const { user } = tokenizers;
  for (const text of [5, {}, null, undefined, ['a']]) {
    const expected = { code: 'option-value', where: 'text', fix: 'a string' } as const;
    await expectRefusal(() => user.encode(text as string), expected);
    await expectRefusal(() => user.encodePieces(text as string), expected);
  }
});

test('law: a user-defined symbol with a space has one place, where spaces are kept too', () => {
  const pieces = [{ piece: 'b c', type: TYPE.userDefined }, { piece: 'a' }, { piece: 'd' }];
  const tokenizer = loadTokenizer(buildModel({ pieces }));
  assert.equal(
    tokenizer.encodePieces('a b cd').map(({ start, end }) => [start, end]),
    [
      [0, 1],
      [1, 5],
      [5, 6],
    ],
  );
  assert.equal(tokenizer.encode('  a  '), [0, 4, 0]);
});

test('law: the special pieces are those that the file names', () => {
  const { user, dummy } = tokenizers;
  assert.equal([user.unkId, user.bosId, user.eosId, user.padId], [0, 1, 2, undefined]);
  assert.equal([dummy.unkId, dummy.bosId, dummy.eosId, dummy.padId], [0, 1, 2, 3]);
  const renamed = [...BPE, ...varintField(42, 0xffffffff), ...bytesField(46, utf8('</s>'))];
  const { bosId, eosId } = loadTokenizer(buildModel({ trainer: renamed }));
  assert.equal([bosId, eosId], [2, undefined]);
});

test('law: the types and scores of pieces are those of the file', () => {
  const { user, patched } = tokenizers;
  const typeOf = (piece: string): string => user.pieceType(user.pieceToId(piece) ?? -1);
  const found = ['<unk>', '</s>', '<SEP>', '<0x0A>', 'th'].map(typeOf);
  assert.equal(found, ['unknown', 'control', 'user-defined', 'byte', 'normal']);
  const types = Array.from({ length: patched.vocabSize }, (_, id) => patched.pieceType(id));
  assert.ok(types.filter((type) => type === 'unused').length > 100);
  assert.is(user.pieceScore(user.pieceToId('<SEP>') ?? -1), 0);
  assert.ok(user.pieceScore(user.pieceToId('▁river') ?? -1) < 0);
});

test('law: loading the same bytes twice gives the same tokenizer', () => {
  const again = loadTokenizer(readModel('user'));
  for (const input of texts.slice(0, 100)) {
    assert.equal(again.encode(input), tokenizers.user.encode(input));
  }
});

test.run();
