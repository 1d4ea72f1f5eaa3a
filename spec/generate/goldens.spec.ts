import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generateTokens } from '../../src/generate/generate.ts';
import { resolveOptions } from '../../src/generate/options.ts';
import { GOLDENS, idsOf } from '../support/goldens.ts';
import { fakeSequence } from './fake-sequence.ts';

const test = suite('generate/goldens');

for (const { name, config, generation } of GOLDENS) {
  const { vocabSize: V } = config;
  const prompt = idsOf(generation.get('prompt'));

  test(`golden: ${name}: the recorded logits give the recorded greedy tokens`, async () => {
    for (const penalty of ['1.0', '1.1', '1.5']) {
      const tokens = idsOf(generation.get(`penalty_${penalty}.tokens`));
      const logits = generation.get(`penalty_${penalty}.logits`)?.values ?? new Float32Array();
      const steps = logits.length / V;
      assert.ok(steps >= 12);
      const sequence = fakeSequence(V, (ids) => {
        const step = ids.length - prompt.length;
        return logits.subarray(step * V, (step + 1) * V);
      });
      const user = {
        maxNewTokens: steps,
        repetitionPenalty: Number(penalty),
        greedy: true,
        eosTokenId: null,
      };
      const options = resolveOptions(user, null, { vocabSize: V });
      const found = [...prompt];
      for await (const { tokenId } of generateTokens(sequence, prompt, options)) {
        found.push(tokenId);
      }
      assert.equal(found, tokens, `penalty ${penalty}`);
    }
  });
}

test.run();
