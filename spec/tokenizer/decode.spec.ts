import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer } from '../../src/tokenizer/index.ts';
import { expectRefusal } from '../support/refusal.ts';
import { cases, texts, tokenizers } from './fixtures.ts';
import { BPE, buildModel, bytesField, utf8 } from './model-builder.ts';

const test = suite('tokenizer/decode');

const { user, dummy, unknown } = tokenizers;

function idsOf(...pieces: string[]): number[] {
  return pieces.map((piece) => user.pieceToId(piece) ?? -1);
}

for (const { variant, tokenizer, decodings } of cases) {
  const id = fc.nat({ max: tokenizer.vocabSize - 1 });
  const ids = fc.oneof(
    fc.array(id, { maxLength: 20 }),
    fc.constantFrom(...decodings).map((row) => row.ids),
    fc.constantFrom(...texts).map((input) => tokenizer.encode(input)),
  );

  test(`law: stream decoding gives the text of decode, in whole characters (${variant})`, () => {
    fc.assert(
      fc.property(ids, fc.boolean(), (tokenIds, skipSpecial) => {
        const decoder = tokenizer.streamDecoder({ skipSpecial });
        const chunks = [...tokenIds.map((tokenId) => decoder.push(tokenId)), decoder.end()];
        assert.is(chunks.join(''), tokenizer.decode(tokenIds, { skipSpecial }));
        for (const chunk of chunks) assert.not.match(chunk, /^[\udc00-\udfff]|[\ud800-\udbff]$/);
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  test(`law: a stream decoder starts anew after its end (${variant})`, () => {
    fc.assert(
      fc.property(ids, ids, (first, second) => {
        const decoder = tokenizer.streamDecoder();
        const run = (tokenIds: number[]): string =>
          tokenIds.map((tokenId) => decoder.push(tokenId)).join('') + decoder.end();
        assert.is(run(first), tokenizer.decode(first));
        assert.is(run(second), tokenizer.decode(second));
      }),
      { seed: 1, numRuns: 100 },
    );
  });
}

test('law: a character of several bytes comes out with its last byte', () => {
  const decoder = user.streamDecoder();
  const [a, b, c, d] = idsOf('<0xF0>', '<0x9F>', '<0x98>', '<0x80>');
  assert.equal(
    [a, b, c, d].map((id) => decoder.push(id)),
    ['', '', '', '😀'],
  );
  assert.is(decoder.end(), '');
});

test('law: each byte of a broken character gives U+FFFD as soon as it is certain', () => {
  const decoder = user.streamDecoder();
  const [lead, trail, letter] = idsOf('<0xE4>', '<0xBD>', '<0x41>');
  assert.equal(
    [lead, trail, letter].map((id) => decoder.push(id)),
    ['', '', '\ufffd\ufffdA'],
  );
  assert.equal(
    [lead, lead].map((id) => decoder.push(id)),
    ['', '\ufffd'],
  );
  assert.is(decoder.end(), '\ufffd');
  assert.is(user.decode([lead, ...idsOf('\n')]), '\ufffd\n');
});

test('law: overlong forms, surrogates and code points past U+10FFFF are broken bytes', () => {
  const bytesOf = (...bytes: number[]): number[] =>
    idsOf(...bytes.map((byte) => `<0x${byte.toString(16).toUpperCase()}>`));
  const broken = [
    bytesOf(0xc1, 0xbf),
    bytesOf(0xe0, 0x9f, 0xbf),
    bytesOf(0xed, 0xa0, 0x80),
    bytesOf(0xf0, 0x8f, 0xbf, 0xbf),
    bytesOf(0xf4, 0x90, 0x80, 0x80),
    bytesOf(0xf8, 0x88, 0x80, 0x80, 0x80),
  ];
  for (const ids of broken) assert.is(user.decode(ids), '\ufffd'.repeat(ids.length));
  assert.is(user.decode(bytesOf(0xf4, 0x8f, 0xbf, 0xbf)), '\u{10ffff}');
});

test('law: control pieces have no text unless skipSpecial is false', () => {
  const ids = [1, ...idsOf('\n'), 2];
  assert.is(user.decode(ids), '\n');
  assert.is(user.decode(ids, { skipSpecial: true }), '\n');
  assert.is(user.decode(ids, { skipSpecial: false }), '<s>\n</s>');
});

test('law: the space that the model puts in front is taken off, and only where it does', () => {
  const word = '▁river';
  const dummyId = dummy.pieceToId(word) ?? -1;
  assert.is(dummy.decode([dummyId, dummyId]), 'river river');
  assert.is(dummy.decode([1, dummyId]), 'river');
  assert.is(user.decode(idsOf(word, word)), ' river river');
});

test('law: the unknown piece is written as the file says', () => {
  assert.is(unknown.decode([0, 0]), ' [?]  [?] ');
  assert.is(user.decode([0]), ' \u2047 ');
  const empty = loadTokenizer(buildModel({ trainer: [...BPE, ...bytesField(44, utf8(''))] }));
  assert.is(empty.decode([0]), '');
});

test('error: TK11 an id that is no id of the vocabulary is refused', async () => {
  for (const id of [-1, 1400, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    const expected = {
      code: 'token-id',
      where: 'id',
      message: String(id),
      fix: '0 to 1399',
    } as const;
    await expectRefusal(() => user.decode([3, id]), expected);
    await expectRefusal(() => user.streamDecoder().push(id), expected);
    await expectRefusal(() => user.idToPiece(id), expected);
    await expectRefusal(() => user.pieceType(id), expected);
    await expectRefusal(() => user.pieceScore(id), expected);
  }
});

test.run();
