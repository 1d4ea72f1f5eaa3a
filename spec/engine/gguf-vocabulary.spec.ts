/** The vocabulary of a tokenizer.model as GGUF holds it; `spec/formats/gguf/vocabulary.spec.ts` and
 *  `open-gguf.spec.ts` read it back and encode with it. */

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readGgufVocabulary } from '../../src/engine/gguf-vocabulary.ts';
import { loadTokenizer } from '../../src/tokenizer/index.ts';
import { utf8 } from '../support/model-files.ts';
import { expectRefusal } from '../support/refusal.ts';

const spec = suite('gguf vocabulary');

for (const path of ['embedded/tokenizer.model', 'tokenizer/user.model', 'tokenizer/dummy.model']) {
  const bytes = readFileSync(new URL(`../../fixtures/${path}`, import.meta.url));
  spec(`law: ids, special pieces and settings are those of the tokenizer (${path})`, () => {
    const tokenizer = loadTokenizer(bytes);
    const { pieces, ...rest } = readGgufVocabulary(bytes);
    assert.is(pieces.count, tokenizer.vocabSize);
    assert.is(pieces.types.length, tokenizer.vocabSize);
    for (let id = 0; id < pieces.count; id += 7) {
      const spelled = new TextDecoder().decode(
        pieces.bytes.subarray(pieces.starts[id], pieces.ends[id]),
      );
      assert.is(spelled, tokenizer.idToPiece(id));
    }
    const { bosId, eosId, padId, unkId, addDummyPrefix } = rest;
    assert.equal(
      [bosId, eosId, padId, unkId],
      [...[tokenizer.bosId, tokenizer.eosId, tokenizer.padId, tokenizer.unkId]],
    );
    const hasPrefix = tokenizer.encode('a').length > 0 && path.includes('dummy');
    assert.is(addDummyPrefix, hasPrefix);
  });
}

spec('error: no tokenizer.model', async () => {
  const file = 'tokenizer.model';
  await expectRefusal(() => readGgufVocabulary(utf8('{}'), file), { code: 'protobuf-wire', file });
});

spec.run();
