import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';
import { expectRefusal } from '../support/refusal.ts';
import { cases, texts, tokenizers } from './fixtures.ts';
import { BPE, BYTE_FALLBACK, BYTE_PIECES, buildModel, TYPE } from './model-builder.ts';

const test = suite('tokenizer/encode');

const SPELLED = /^<(reserved_\d+|SEP|CLS)>$/;

/** Text that spells special pieces whole, in parts, and inside one another. */
const spelling = fc
  .array(
    fc.oneof(
      fc.constantFrom('<reserved_7>', '<reserved_', '7', '11', '>', '<', '<SEP>', '<CLS>', 'SEP>'),
      fc.constantFrom('</s>', '<s>', '<unk>', '<pad>', '<0x41>', '▁', ' ', '\n', '\t', '<h2>'),
      fc.constantFrom(...texts),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

function isForbidden(tokenizer: Tokenizer, id: number, roles: readonly number[]): boolean {
  const isSpelled = SPELLED.test(tokenizer.idToPiece(id));
  return tokenizer.pieceType(id) === 'control' || isSpelled || roles.includes(id);
}

for (const { variant, tokenizer } of cases) {
  const roles = ['▁the', '!', '。', '\n', 'a'].flatMap((piece) => tokenizer.pieceToId(piece) ?? []);

  test(`law: TK12 with allowSpecial false no forbidden id comes out (${variant})`, () => {
    fc.assert(
      fc.property(spelling, fc.subarray(roles), (input, forbiddenIds) => {
        const ids = tokenizer.encode(input, { allowSpecial: false, forbiddenIds });
        for (const id of ids) {
          assert.not.ok(isForbidden(tokenizer, id, forbiddenIds), `${input} gave ${id}`);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test(`law: TK12 special ids are control pieces and reserved spellings (${variant})`, () => {
    const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
    const expected = ids.filter((id) => isForbidden(tokenizer, id, []));
    assert.equal([...tokenizer.specialIds], expected);
  });
}

for (const variant of ['user', 'plain'] as const) {
  test(`law: TK12 with allowSpecial false decode(encode(x)) is still x (${variant})`, () => {
    const tokenizer = tokenizers[variant];
    fc.assert(
      fc.property(spelling, (input) => {
        const ids = tokenizer.encode(input, { allowSpecial: false, forbiddenIds: [700, 900] });
        assert.is(tokenizer.decode(ids), input.replaceAll('\u2581', ' '));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
}

test('law: TK12 allowSpecial changes what a special spelling becomes, and nothing else', () => {
  const { user } = tokenizers;
  const reserved = user.pieceToId('<reserved_7>') ?? -1;
  assert.equal(user.encode('<reserved_7>'), [reserved]);
  assert.equal(user.encode('<reserved_7>', { allowSpecial: true }), [reserved]);
  const ordinary = user.encodePieces('<reserved_7>', { allowSpecial: false });
  assert.is(ordinary.map(({ piece }) => piece).join(''), '<reserved_7>');
  assert.ok(ordinary.length > 1);
  const plain = '登鹳雀楼 42\n\t<h2>title</h2>， --- ```';
  assert.equal(user.encode(plain, { allowSpecial: false }), user.encode(plain));
});

test('law: TK12 a reserved spelling is special whatever its number', () => {
  const spellings = ['7', '42', '102', '1024', '123456'].map((number) => `<reserved_${number}>`);
  for (const type of [TYPE.userDefined, TYPE.normal]) {
    const pieces = [...spellings, '<reserved_>', '<reserved_x>'].map((piece) => ({ piece, type }));
    const tokenizer = loadTokenizer(buildModel({ pieces }));
    const ids = spellings.map((piece) => tokenizer.pieceToId(piece) ?? -1);
    assert.equal([...tokenizer.specialIds], [1, 2, ...ids]);
    for (const [index, spelling] of spellings.entries()) {
      const guarded = tokenizer.encode(spelling, { allowSpecial: false });
      assert.not.ok(guarded.includes(ids[index]), spelling);
    }
  }
});

test('law: digits, line ends, tabs and tags stay the pieces that they are', () => {
  const { user } = tokenizers;
  for (const piece of ['7', '\n', '\t', '<h2>', '</td>', '<!--', '```', '，']) {
    assert.equal(user.encode(piece, { allowSpecial: false }), [user.pieceToId(piece)]);
  }
});

test('law: a forbidden id is replaced by the pieces or bytes of its text', () => {
  const { user } = tokenizers;
  const [newline, river] = ['\n', '▁river'].map((piece) => user.pieceToId(piece) ?? -1);
  const spell = (input: string, forbiddenIds: number[]): string[] =>
    user.encodePieces(input, { allowSpecial: false, forbiddenIds }).map(({ piece }) => piece);
  assert.equal(spell('\n', []), ['\n']);
  assert.equal(spell('\n', [newline]), ['<0x0A>']);
  assert.equal(spell(' river', []), ['▁river']);
  const parts = spell(' river', [river]);
  assert.ok(parts.length > 1);
  assert.is(parts.join(''), '▁river');
});

test('law: a control piece of one character never comes out of text', () => {
  const pieces = [...BYTE_PIECES, { piece: 'x', type: TYPE.control }];
  const tokenizer = loadTokenizer(buildModel({ pieces, trainer: [...BPE, ...BYTE_FALLBACK] }));
  assert.equal(
    tokenizer.encodePieces('x').map(({ piece }) => piece),
    ['<0x78>'],
  );
});

test('error: forbidden ids are refused where special pieces are allowed', async () => {
  await expectRefusal(() => tokenizers.user.encode('a', { forbiddenIds: [3] }), {
    code: 'option-value',
    where: 'forbiddenIds',
    fix: 'allowSpecial: false',
  });
});

test('error: a forbidden id outside the vocabulary is refused', async () => {
  const { user } = tokenizers;
  await expectRefusal(() => user.encode('a', { allowSpecial: false, forbiddenIds: [1400] }), {
    code: 'token-id',
    message: '1400',
    fix: '0 to 1399',
  });
});

test('error: the last resort for unknown text, bytes or <unk>, cannot be forbidden', async () => {
  const { user, unknown } = tokenizers;
  const byte = user.pieceToId('<0x41>') ?? -1;
  for (const [tokenizer, id] of [
    [user, byte],
    [unknown, unknown.unkId],
  ] as const) {
    const action = () => tokenizer.encode('a', { allowSpecial: false, forbiddenIds: [id] });
    await expectRefusal(action, {
      code: 'option-value',
      where: 'forbiddenIds',
      fix: 'Leave it out',
    });
  }
});

test.run();
