/** What each generation option is called here and in Hugging Face transformers, and the values it
 *  may have. Options of a call and fields of `generation_config.json` obey the same ranges. */

/** Numbers from `min` to `max`, both included. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
}

/** The one mapping of names: ours → Hugging Face's. `greedy`, `seed`, `logprobs` and
 *  `contextLength` have no counterpart in `generation_config.json`. */
export const HUGGING_FACE_NAMES = {
  maxNewTokens: 'max_new_tokens',
  doSample: 'do_sample',
  temperature: 'temperature',
  topK: 'top_k',
  topP: 'top_p',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
  eosTokenId: 'eos_token_id',
  stopStrings: 'stop_strings',
} as const;

/** Integers: the most is far above any use, and small enough that sums stay exact. */
export const INTEGER_RANGES = {
  maxNewTokens: { min: 1, max: 1_048_576 },
  topK: { min: 0, max: 1_048_576 },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER },
  logprobs: { min: 0, max: 20 },
  contextLength: { min: 1, max: Number.MAX_SAFE_INTEGER },
} as const satisfies Record<string, NumberRange>;

/** Real numbers. Within 10^-6 … 10^6 float32 scores neither overflow nor vanish. */
export const NUMBER_RANGES = {
  temperature: { min: 0, max: 1e6 },
  topP: { min: 0, max: 1 },
  minP: { min: 0, max: 1 },
  repetitionPenalty: { min: 1e-6, max: 1e6 },
} as const satisfies Record<string, NumberRange>;

/** A temperature is 0, which means greedy, or at least this. */
export const LEAST_TEMPERATURE = 1e-6;

export const MAX_STOP_STRINGS = 64;
/** In UTF-16 code units. */
export const MAX_STOP_STRING_LENGTH = 1000;
export const MAX_EOS_TOKEN_IDS = 64;

/** Says why a list of stop strings cannot be used, or null when it can. */
export function stopStringsFault(strings: readonly unknown[]): string | null {
  if (strings.length > MAX_STOP_STRINGS) {
    return `${strings.length} stop strings were given, where at most ${MAX_STOP_STRINGS} may be.`;
  }
  for (const [index, text] of strings.entries()) {
    if (typeof text !== 'string') return `stop string ${index} is not a string.`;
    if (text.length === 0) return `stop string ${index} is empty: it would end every text.`;
    if (text.length > MAX_STOP_STRING_LENGTH) {
      const limit = `at most ${MAX_STOP_STRING_LENGTH} may be`;
      return `stop string ${index} has ${text.length} UTF-16 code units, where ${limit}.`;
    }
    if (/\p{Surrogate}/u.test(text)) return `stop string ${index} holds half a surrogate pair.`;
  }
  return null;
}
