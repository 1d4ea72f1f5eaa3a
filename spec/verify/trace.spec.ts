import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expectMatches, tapFilter } from '../../src/verify/trace.ts';

const trace = suite('trace');

const NAMES = [
  'input_ids',
  'model.embed_tokens.output',
  'model.layers.0.self_attn.probs',
  'model.layers.10.self_attn.probs',
  'model.layers.10.self_attn.scores',
  'logits',
];
const chosen = (...patterns: string[]) => NAMES.filter(tapFilter(patterns));

trace('law: no pattern chooses every tensor', () => {
  assert.equal(chosen(), NAMES);
});

trace('law: a star stands for any characters and model. may be left out', () => {
  assert.equal(chosen('layers.*.self_attn.probs'), [NAMES[2], NAMES[3]]);
  assert.equal(chosen('model.layers.1*'), [NAMES[3], NAMES[4]]);
  assert.equal(chosen('logits', '*.output'), [NAMES[1], NAMES[5]]);
});

trace('law: other characters stand for themselves', () => {
  assert.equal(chosen('model.layers.0.self_attn+probs'), []);
  assert.equal(chosen('model.layers..'), []);
  assert.equal(chosen('(logits)'), []);
});

trace('error: a pattern that chooses nothing is named, with names that exist', () => {
  expectMatches(['logits'], NAMES);
  assert.throws(
    () => expectMatches(['logits', 'layers.*.attn'], NAMES),
    /option-value: taps: .*"layers\.\*\.attn".*model\.embed_tokens\.output/,
  );
});

trace.run();
