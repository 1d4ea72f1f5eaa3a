/** The published vocabulary of 64,000 pieces through a GGUF file: the same ids as those of the
 *  `tokenizer.model`, also where the file was written as llama.cpp's converter writes it. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer, type Tokenizer } from '../../src/tokenizer/index.ts';
import { throughGguf } from '../support/gguf-vocabulary.ts';

const test = suite('shared/gguf-vocabulary');

const ROOT = path.resolve(import.meta.dirname, '../..');
const FOLDER = path.join(
  process.env['BAICHUAN_SHARED'] ?? path.resolve(ROOT, '../shared'),
  'vocab',
);

const read = (name: string) => {
  const file = path.join(FOLDER, name);
  assert.ok(existsSync(file), `${file} is missing: name its folder in BAICHUAN_SHARED`);
  return new Uint8Array(readFileSync(file));
};

const textsOf = (variant: string) =>
  new TextDecoder()
    .decode(read(`encodings.${variant}.jsonl`))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; ids: number[]; decoded: string });

for (const variant of ['user', 'plain', 'dummy']) {
  const title = `golden: the vocabulary ${variant} in a GGUF file encodes as SentencePiece does`;
  test(title, async () => {
    const { tokenizer, notices } = await throughGguf(read(`tokenizer.${variant}.model`));
    assert.equal(notices, []);
    for (const { text, ids, decoded } of textsOf(variant)) {
      assert.equal(tokenizer.encode(text), ids, JSON.stringify(text));
      assert.is(tokenizer.decode(ids), decoded, JSON.stringify(text));
    }
  });
}

/** Pieces of score +0 that are normal in a file of llama.cpp's converter. */
const LOST = 390;

test('law: lost types are repaired and said, and the ids are the right ones', async () => {
  const bytes = read('tokenizer.user.model');
  const { tokenizer, notices } = await throughGguf(bytes, { asConverter: true });
  assert.is(notices.length, 2);
  assert.match(notices[0], new RegExp(`^${LOST} user-defined pieces`));
  assert.match(notices[1], /add_space_prefix is missing; no space/);
  const original = loadTokenizer(bytes);
  const differing = Array.from({ length: 64_000 }, (_, id) => id).filter(
    (id) => tokenizer.pieceType(id) !== original.pieceType(id),
  );
  // A trainer gives −0 to its first merge alone, so that one is taken for the normal piece it is.
  assert.equal(
    differing.map((id) => tokenizer.idToPiece(id)),
    ['▁t'],
  );
  assert.ok(Object.is(tokenizer.pieceScore(differing[0]), -0));
  const symbols = ['<reserved_102>', '<SEP>', '\n', '\t', '7', '<h2>'];
  for (const symbol of symbols)
    assert.equal(symbolIds(tokenizer, symbol), symbolIds(original, symbol));
  const without = textsOf('user').filter(({ text }) => !/ t/.test(text));
  assert.ok(without.length > 200);
  for (const { text, ids } of without) assert.equal(tokenizer.encode(text), ids, text);
});

function symbolIds(tokenizer: Tokenizer, symbol: string): number[] {
  return tokenizer.encode(`甲${symbol}乙`);
}

test.run();
