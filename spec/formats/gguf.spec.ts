/** GGUF files damaged at random and everywhere: they open, or are refused by name. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RawGguf, SMALL, smallModel, smallPairs, tensorOf } from '../support/gguf-files.ts';
import { fuzzGguf, outcomeOf } from '../support/gguf-fuzz.ts';

const gguf = suite('gguf');

const RUNS = 3000;

gguf('law: 3000 damaged files open or are refused, by many codes', async () => {
  const outcomes = await fuzzGguf(20_260, RUNS);
  const total = [...outcomes.values()].reduce((sum, count) => sum + count, 0);
  assert.is(total, RUNS);
  const refused = [...outcomes.keys()].filter((code) => code !== 'opened');
  assert.ok(refused.length >= 20, `only ${refused.length} codes: ${refused.join(', ')}`);
  assert.ok((outcomes.get('opened') ?? 0) < RUNS / 2, 'too many files were not damaged');
});

/** A small model without a vocabulary, and with three rows where it would have 260. */
const short = smallModel((file: RawGguf) => {
  const isBulk = /ggml\.(tokens|scores|token_type)/;
  file.pairs = smallPairs().filter(({ key }) => !isBulk.test(String(key)));
  for (const name of ['token_embd', 'output']) {
    const tensor = tensorOf(file, name);
    tensor.axes = [SMALL.C, 3];
    tensor.data = tensor.data.slice(0, 4 * SMALL.C * 3);
  }
});

gguf('law: every truncation of a small model is refused', async () => {
  for (let length = 0; length < short.length; length++) {
    const outcome = await outcomeOf(short.slice(0, length));
    assert.is.not(outcome, 'opened', `${length} of ${short.length} bytes`);
  }
});

gguf('law: every flip of a bit of the header opens or is refused', async () => {
  const headerBytes = 2300;
  const outcomes = new Set<string>();
  for (let bit = 0; bit < 8 * headerBytes; bit++) {
    const flipped = Uint8Array.from(short);
    flipped[bit >>> 3] ^= 1 << (bit & 7);
    outcomes.add(await outcomeOf(flipped));
  }
  assert.ok(outcomes.size >= 15, [...outcomes].join(', '));
});

gguf.run();
