/** `generation_config.json` → the model's own generation options, and its role tokens.
 *
 *  Format: `GenerationConfig` of Hugging Face transformers, plus `user_token_id` and
 *  `assistant_token_id` of the published chat code (baichuan-inc/Baichuan-13B-Chat,
 *  generation_config.json). Every key is honoured, known to change nothing, or named in a notice
 *  with its value: none is ignored in silence. A field that is null is unset, as there. */

import { parseJson } from '../json.ts';
import {
  fieldError,
  fieldsOf,
  type JsonFields,
  type Range,
  showJson,
  takeArray,
  takeBoolean,
  takeInteger,
  takeNumber,
  takeOptional,
  takeString,
  unexpected,
} from '../json-fields.ts';
import { noticesOf } from './generation-config-keys.ts';
import {
  INTEGER_RANGES,
  LEAST_TEMPERATURE,
  MAX_EOS_TOKEN_IDS,
  NUMBER_RANGES,
  stopStringsFault,
} from './option-ranges.ts';

/** Options that the file sets; one that is missing was not set. */
export interface GenerationDefaults {
  readonly maxNewTokens?: number | undefined;
  readonly doSample?: boolean | undefined;
  readonly temperature?: number | undefined;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  readonly minP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly eosTokenIds?: readonly number[] | undefined;
  readonly stopStrings?: readonly string[] | undefined;
}

/** What a model says about how to generate with it. */
export interface GenerationConfig {
  readonly options: GenerationDefaults;
  /** Token that stands before a user's message; undefined for a model that is no chat model. */
  readonly userTokenId?: number | undefined;
  /** Token that stands before an answer. */
  readonly assistantTokenId?: number | undefined;
  readonly bosTokenId?: number | undefined;
  readonly padTokenId?: number | undefined;
  /** Keys that are not honoured, one sentence each; the ones that change results come first. */
  readonly notices: readonly string[];
}

/** What a model without the file says: nothing. */
export const EMPTY_GENERATION_CONFIG: GenerationConfig = { options: {}, notices: [] };

/** The largest file that is read, in bytes. */
const MAX_BYTES = 1_048_576;

/** Reads `generation_config.json`.
 *  @param bytes the file
 *  @param context its name for messages, and V, the size of the vocabulary
 *  @throws generation-config and the json codes */
export function parseGenerationConfig(
  bytes: Uint8Array,
  context: { file?: string | undefined; vocabSize: number },
): GenerationConfig {
  const { file, vocabSize } = context;
  const value = parseJson(bytes, { file, maxBytes: MAX_BYTES });
  const fields = fieldsOf(value, { file, path: [], code: 'generation-config' });
  const tokenId: Range = { min: 0, max: vocabSize - 1 };
  return {
    options: {
      maxNewTokens: optionalInteger(fields, 'max_new_tokens', INTEGER_RANGES.maxNewTokens),
      doSample: takeOptional(fields, 'do_sample', takeBoolean),
      temperature: takeOptional(fields, 'temperature', takeTemperature),
      topK: optionalInteger(fields, 'top_k', INTEGER_RANGES.topK),
      topP: optionalNumber(fields, 'top_p', NUMBER_RANGES.topP),
      minP: optionalNumber(fields, 'min_p', NUMBER_RANGES.minP),
      repetitionPenalty: optionalNumber(
        fields,
        'repetition_penalty',
        NUMBER_RANGES.repetitionPenalty,
      ),
      eosTokenIds: takeOptional(fields, 'eos_token_id', (_, key) =>
        takeTokenIds(fields, key, tokenId),
      ),
      stopStrings: takeOptional(fields, 'stop_strings', takeStopStrings),
    },
    userTokenId: optionalInteger(fields, 'user_token_id', tokenId),
    assistantTokenId: optionalInteger(fields, 'assistant_token_id', tokenId),
    bosTokenId: optionalInteger(fields, 'bos_token_id', tokenId),
    padTokenId: optionalInteger(fields, 'pad_token_id', tokenId),
    notices: noticesOf(fields.object, file),
  };
}

function optionalInteger(fields: JsonFields, key: string, range: Range): number | undefined {
  return takeOptional(fields, key, () => takeInteger(fields, key, range));
}

function optionalNumber(fields: JsonFields, key: string, range: Range): number | undefined {
  return takeOptional(fields, key, () => takeNumber(fields, key, range));
}

function takeTemperature(fields: JsonFields, key: string): number {
  const value = takeNumber(fields, key, NUMBER_RANGES.temperature);
  if (value === 0 || value >= LEAST_TEMPERATURE) return value;
  const { max } = NUMBER_RANGES.temperature;
  throw unexpected(fields, key, `0 (greedy), or a number from ${LEAST_TEMPERATURE} to ${max}`);
}

/** A token id or a list of them. */
function takeTokenIds(fields: JsonFields, key: string, range: Range): number[] {
  const value = fields.object.get(key);
  if (!Array.isArray(value)) return [takeInteger(fields, key, range)];
  if (value.length > MAX_EOS_TOKEN_IDS) {
    throw unexpected(fields, key, `an array of at most ${MAX_EOS_TOKEN_IDS} ids`);
  }
  const members: JsonFields = {
    ...fields,
    object: new Map(value.map((id, index) => [String(index), id])),
    path: [...fields.path, key],
  };
  return value.map((_, index) => takeInteger(members, String(index), range));
}

/** A string or a list of them. */
function takeStopStrings(fields: JsonFields, key: string): string[] {
  const value = fields.object.get(key);
  const strings: unknown[] = Array.isArray(value)
    ? takeArray(fields, key)
    : [takeString(fields, key)];
  const fault = stopStringsFault(strings);
  if (fault === null) return strings.filter((text) => typeof text === 'string');
  throw fieldError(fields, key, {
    what: fault,
    fix: 'Correct the field, or take the file that was published with the model.',
    expected: 'strings',
    found: showJson(value ?? null),
  });
}
