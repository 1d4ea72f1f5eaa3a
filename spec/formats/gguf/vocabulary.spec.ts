import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadTokenizer } from '../../../src/tokenizer/index.ts';
import { throughGguf } from '../../support/gguf-vocabulary.ts';

const vocabulary = suite('gguf-vocabulary');

const FIXTURES = new URL('../../../fixtures/', import.meta.url);
const read = (name: string) => new Uint8Array(readFileSync(new URL(name, FIXTURES)));
const json = (name: string) => JSON.parse(new TextDecoder().decode(read(name))) as unknown;
const texts = json('tokenizer/texts.json') as string[];

/** Its text for what is unknown is its own, which GGUF has no key for, and its self tests. */
const OWN_SURFACE = 'unknown';

for (const name of ['dummy', 'patched', 'plain', 'user', OWN_SURFACE]) {
  vocabulary(`golden: ${name}.model in a GGUF file gives the ids of SentencePiece`, async () => {
    const { tokenizer, notices } = await throughGguf(read(`tokenizer/${name}.model`));
    assert.equal(notices, []);
    const original = loadTokenizer(read(`tokenizer/${name}.model`));
    const encodings = json(`tokenizer/${name}.encodings.json`) as unknown[];
    assert.is(encodings.length, texts.length);
    for (const text of texts) assert.equal(tokenizer.encode(text), original.encode(text), text);
    for (const key of ['vocabSize', 'unkId', 'bosId', 'eosId', 'padId', 'specialIds'] as const) {
      assert.equal(tokenizer[key], original[key], key);
    }
    for (let id = 0; id < original.vocabSize; id++) {
      assert.is(tokenizer.idToPiece(id), original.idToPiece(id));
      assert.is(tokenizer.pieceType(id), original.pieceType(id));
      assert.ok(Object.is(tokenizer.pieceScore(id), original.pieceScore(id)));
      if (name === OWN_SURFACE) continue;
      assert.is(tokenizer.decode([id]), original.decode([id]));
    }
  });
}

vocabulary('law: types that a converter lost are repaired, and the repair is said', async () => {
  for (const [file, count] of [
    ['tokenizer/user.model', 44],
    ['embedded/tokenizer.model', 390],
  ] as const) {
    const original = loadTokenizer(read(file));
    const { tokenizer, notices } = await throughGguf(read(file), { asConverter: true });
    assert.match(notices[0], new RegExp(`^${count} user-defined pieces`));
    for (let id = 0; id < original.vocabSize; id++) {
      assert.is(tokenizer.pieceType(id), original.pieceType(id), `${file} ${id}`);
    }
    for (const text of texts) assert.equal(tokenizer.encode(text), original.encode(text), text);
  }
});

vocabulary(
  'law: a vocabulary of another family keeps its types, and llama.cpp’s space',
  async () => {
    const { tokenizer, notices } = await throughGguf(read('tokenizer/plain.model'), {
      asConverter: true,
    });
    assert.equal(notices, []);
    assert.is(tokenizer.pieceType(259), 'normal');
    assert.is(tokenizer.decode(tokenizer.encode('in')), 'in');
    assert.is(tokenizer.idToPiece(tokenizer.encode('in')[0])[0], '▁');
  },
);

vocabulary.run();
