import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TokenizerPieces, tokenizerFromPieces } from '../../src/tokenizer/index.ts';
import { readModelProto } from '../../src/tokenizer/model-proto.ts';
import { expectRefusal } from '../support/refusal.ts';

const test = suite('tokenizer/from-pieces');

const url = new URL('../../fixtures/tokenizer/user.model', import.meta.url);
const { pieces } = readModelProto(new Uint8Array(readFileSync(url)), undefined);
const plain: TokenizerPieces = {
  ...{ pieces, bosId: 1, eosId: 2, addDummyPrefix: false, removeExtraWhitespaces: false },
};

test('law: addDummyPrefix puts a space before a text', () => {
  const without = tokenizerFromPieces(plain);
  const prefixed = tokenizerFromPieces({ ...plain, addDummyPrefix: true });
  assert.equal(prefixed.encode('he'), without.encode(' he'));
  assert.is.not(prefixed.encode('he').join(), without.encode('he').join());
});

test('law: removeExtraWhitespaces joins white space', () => {
  const without = tokenizerFromPieces(plain);
  const joined = tokenizerFromPieces({ ...plain, removeExtraWhitespaces: true });
  assert.equal(joined.encode(' he   he '), without.encode('he he'));
  assert.is.not(joined.encode('he   he').join(), without.encode('he   he').join());
});

test('law: the special ids are those that were given, and pad only a control piece', () => {
  const tokenizer = tokenizerFromPieces({ ...plain, bosId: 2, eosId: 1, padId: 1 });
  assert.equal([tokenizer.bosId, tokenizer.eosId, tokenizer.padId], [2, 1, 1]);
  assert.is(tokenizerFromPieces({ ...plain, padId: 0 }).padId, undefined);
  const none = tokenizerFromPieces({ ...plain, bosId: undefined, eosId: undefined });
  assert.equal([none.bosId, none.eosId, none.padId], [undefined, undefined, undefined]);
});

test('error: special ids that are no pieces, or none of their kind', async () => {
  const code = 'tokenizer-special';
  for (const bosId of [-1, pieces.count, 1.5, Number.NaN]) {
    const found = bosId;
    const action = () => tokenizerFromPieces({ ...plain, bosId }, { file: 'x.gguf' });
    await expectRefusal(action, { code, file: 'x.gguf', message: String(found) });
  }
  const normal = () => tokenizerFromPieces({ ...plain, eosId: 500 });
  await expectRefusal(normal, { code, message: 'control was expected' });
});

test('error: pieces as bad as those of a tokenizer.model', async () => {
  const count = 200_001;
  const many = () => tokenizerFromPieces({ ...plain, pieces: { ...pieces, count } });
  await expectRefusal(many, { code: 'tokenizer-count', expected: 200_000, found: count });
  const types = Int32Array.from(pieces.types).fill(7, 600, 601);
  const odd = () => tokenizerFromPieces({ ...plain, pieces: { ...pieces, types } });
  await expectRefusal(odd, { code: 'tokenizer-score', where: 'piece 600' });
  const ends = Int32Array.from(pieces.ends);
  ends[700] = pieces.starts[700];
  const empty = () => tokenizerFromPieces({ ...plain, pieces: { ...pieces, ends } });
  await expectRefusal(empty, { code: 'tokenizer-piece', where: 'piece 700' });
});

test.run();
