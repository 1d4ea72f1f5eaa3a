import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseGenerationConfig } from '../../src/generate/generation-config.ts';
import { HARMLESS_KEYS, NEUTRAL_VALUES } from '../../src/generate/generation-config-keys.ts';
import { HUGGING_FACE_NAMES } from '../../src/generate/option-ranges.ts';

const test = suite('generate/generation-config-keys');

/** Every key of `GenerationConfig` (transformers 4.40) that changes tokens and is not honoured,
 *  with the one value besides null, [] and {} that leaves them as they are. */
const LOUD: Record<string, string | undefined> = {
  num_beams: '1',
  num_beam_groups: '1',
  num_return_sequences: '1',
  diversity_penalty: '0',
  penalty_alpha: '0',
  typical_p: '1',
  epsilon_cutoff: '0',
  eta_cutoff: '0',
  encoder_repetition_penalty: '1',
  encoder_no_repeat_ngram_size: '0',
  no_repeat_ngram_size: '0',
  min_length: '0',
  min_new_tokens: '0',
  max_length: '20',
  max_time: undefined,
  bad_words_ids: undefined,
  force_words_ids: undefined,
  constraints: undefined,
  forced_bos_token_id: undefined,
  forced_eos_token_id: undefined,
  forced_decoder_ids: undefined,
  suppress_tokens: undefined,
  begin_suppress_tokens: undefined,
  exponential_decay_length_penalty: undefined,
  sequence_bias: undefined,
  guidance_scale: '1',
  decoder_start_token_id: undefined,
  prompt_lookup_num_tokens: undefined,
  dola_layers: undefined,
  watermarking_config: undefined,
  token_healing: 'false',
};

/** Keys that change no token, whatever their value. */
const HARMLESS = [
  ...['_from_model_config', 'transformers_version', 'use_cache', 'cache_implementation'],
  ...['cache_config', 'return_legacy_cache', 'low_memory', 'output_attentions'],
  ...['output_hidden_states', 'output_scores', 'output_logits', 'return_dict_in_generate'],
  ...['remove_invalid_values', 'renormalize_logits', 'synced_gpus', 'compile_config'],
  ...['disable_compile', 'length_penalty', 'early_stopping', 'num_assistant_tokens'],
  ...['num_assistant_tokens_schedule'],
];

/** Values as JSON, each with how a notice shows it. */
const VALUES: [json: string, shown: string][] = [
  ...['0', '1', '2', '20', '21', '-1', '0.5', 'true', 'false', '"x"'].map(
    (json): [string, string] => [json, json],
  ),
  ['[5]', 'an array of 1'],
  ['{"a": 1}', 'an object of 1'],
];

/** Values that stand for "unset" under every key. */
const UNSET = ['null', '[]', '{}'];

function noticesFor(key: string, json: string): readonly string[] {
  const bytes = new TextEncoder().encode(`{${JSON.stringify(key)}: ${json}}`);
  return parseGenerationConfig(bytes, { file: 'g.json', vocabSize: 64 }).notices;
}

/** What is said about a value that would change the tokens. */
function notice(key: string, shown: string): string {
  const remedy = key === 'max_length' ? '; set max_new_tokens instead' : '';
  const effect = 'is not implemented: tokens may differ from those of Hugging Face';
  return `g.json: "${key}": ${shown} ${effect}${remedy}.`;
}

for (const [key, neutral] of Object.entries(LOUD)) {
  test(`law: ${key} is silent at ${neutral ?? 'null'}, and every other value is named`, () => {
    for (const json of UNSET) assert.equal(noticesFor(key, json), [], json);
    for (const [json, shown] of VALUES) {
      const expected = json === neutral ? [] : [notice(key, shown)];
      assert.equal(noticesFor(key, json), expected, json);
    }
  });
}

test('law: a neutral number is neutral however it is written', () => {
  assert.equal(noticesFor('num_beams', '1.0'), []);
  assert.equal(noticesFor('max_length', '2e1'), []);
  assert.equal(noticesFor('min_length', '-0'), []);
});

test('law: a key that changes no token is silent at every value', () => {
  for (const key of HARMLESS) {
    for (const json of [...UNSET, ...VALUES.map(([text]) => text)]) {
      assert.equal(noticesFor(key, json), [], `${key}: ${json}`);
    }
  }
});

test('law: the tables hold these keys, and each key stands in one of them only', () => {
  assert.equal([...NEUTRAL_VALUES.keys()].sort(), Object.keys(LOUD).sort());
  assert.equal([...HARMLESS_KEYS].sort(), [...HARMLESS].sort());
  const honoured = Object.values(HUGGING_FACE_NAMES);
  const all = [...NEUTRAL_VALUES.keys(), ...HARMLESS_KEYS, ...honoured];
  assert.is(new Set(all).size, all.length);
});

test.run();
