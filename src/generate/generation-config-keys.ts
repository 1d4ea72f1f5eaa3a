/** Keys of `generation_config.json` that are not honoured: which of them change nothing, and what
 *  is said about the others. Source: `GenerationConfig` of Hugging Face transformers 4.40. */
import { quote } from '../errors.ts';
import { isJsonNumber, type JsonObject, type JsonValue } from '../json.ts';
import { showJson } from '../json-fields.ts';
import { HUGGING_FACE_NAMES } from './option-ranges.ts';

/** Keys that `parseGenerationConfig` honours or holds. */
const HONOURED: ReadonlySet<string> = new Set([
  ...Object.values(HUGGING_FACE_NAMES),
  'user_token_id',
  'assistant_token_id',
  'bos_token_id',
  'pad_token_id',
]);

/** Keys that change no token whatever their value: book-keeping, extra outputs, caching, and what
 *  only beam search reads, which `num_beams` reports. */
export const HARMLESS_KEYS: ReadonlySet<string> = new Set([
  '_from_model_config',
  'transformers_version',
  'use_cache',
  'cache_implementation',
  'cache_config',
  'return_legacy_cache',
  'low_memory',
  'output_attentions',
  'output_hidden_states',
  'output_scores',
  'output_logits',
  'return_dict_in_generate',
  'remove_invalid_values',
  'renormalize_logits',
  'synced_gpus',
  'compile_config',
  'disable_compile',
  'length_penalty',
  'early_stopping',
  'num_assistant_tokens',
  'num_assistant_tokens_schedule',
]);

/** Keys that would change the tokens, with the values for which they do not. */
export const NEUTRAL_VALUES: ReadonlyMap<string, readonly JsonValue[]> = new Map<
  string,
  JsonValue[]
>([
  ['num_beams', [1]],
  ['num_beam_groups', [1]],
  ['num_return_sequences', [1]],
  ['diversity_penalty', [0]],
  ['penalty_alpha', [0]],
  ['typical_p', [1]],
  ['epsilon_cutoff', [0]],
  ['eta_cutoff', [0]],
  ['encoder_repetition_penalty', [1]],
  ['encoder_no_repeat_ngram_size', [0]],
  ['no_repeat_ngram_size', [0]],
  ['min_length', [0]],
  ['min_new_tokens', [0]],
  ['max_length', [20]],
  ['max_time', []],
  ['bad_words_ids', []],
  ['force_words_ids', []],
  ['constraints', []],
  ['forced_bos_token_id', []],
  ['forced_eos_token_id', []],
  ['forced_decoder_ids', []],
  ['suppress_tokens', []],
  ['begin_suppress_tokens', []],
  ['exponential_decay_length_penalty', []],
  ['sequence_bias', []],
  ['guidance_scale', [1]],
  ['decoder_start_token_id', []],
  ['prompt_lookup_num_tokens', []],
  ['dola_layers', []],
  ['watermarking_config', []],
  ['token_healing', [false]],
]);

/** One sentence for every key that is not honoured and may matter: first those known to change the
 *  tokens, then unknown ones, each in the order of the file.
 *  @param object the whole file @param file its name */
export function noticesOf(object: JsonObject, file: string | undefined): string[] {
  const place = file === undefined ? '' : `${file}: `;
  const loud: string[] = [];
  const unknown: string[] = [];
  for (const [key, value] of object) {
    if (value === null || HONOURED.has(key) || HARMLESS_KEYS.has(key)) continue;
    const setting = `${place}${quote(key)}: ${showJson(value)}`;
    const neutral = NEUTRAL_VALUES.get(key);
    if (neutral === undefined) {
      unknown.push(`${setting} is an unknown key; it is not used.`);
    } else if (!isNeutral(value, neutral)) {
      loud.push(
        `${setting} is not implemented: tokens may differ from those of Hugging Face` +
          `${key === 'max_length' ? '; set max_new_tokens instead' : ''}.`,
      );
    }
  }
  return [...loud, ...unknown];
}

function isNeutral(value: JsonValue, neutral: readonly JsonValue[]): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  if (isJsonNumber(value)) return neutral.includes(value.value);
  return neutral.includes(value);
}
