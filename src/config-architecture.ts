/** Which of the two models a `config.json` describes: the class name and the key of the context
 *  length must agree. Source: the `architectures` of the published files, and `__init__` of the two
 *  published configuration_baichuan.py. */
import { quote } from './errors.ts';
import {
  fieldError,
  type JsonFields,
  showJson,
  takeArray,
  takeInteger,
  takeOptional,
  takeString,
} from './json-fields.ts';

/** The two classes of the published code. Mind the capitals: the first is 7B, the second 13B. */
export type Architecture = 'BaiChuanForCausalLM' | 'BaichuanForCausalLM';

/** The longest context that is accepted, far above any model of the family. */
const MAX_CONTEXT = 2 ** 20;

/** The class of the model.
 *  @throws config-architecture, config-field */
export function takeArchitecture(fields: JsonFields): Architecture {
  const names = takeArray(fields, 'architectures');
  const [name] = names;
  const known = name === 'BaiChuanForCausalLM' || name === 'BaichuanForCausalLM';
  const type = takeOptional(fields, 'model_type', takeString) ?? 'baichuan';
  if (names.length === 1 && known && type === 'baichuan') return name;
  const isType = names.length === 1 && known;
  const found = isType ? quote(type) : names.slice(0, 3).map(showJson).join(', ') || 'nothing';
  const expected = isType
    ? '"baichuan"'
    : '"BaiChuanForCausalLM" (7B) or "BaichuanForCausalLM" (13B)';
  throw fieldError(
    fields,
    isType ? 'model_type' : 'architectures',
    {
      what: `this is a model of another architecture: ${expected} is needed, not ${found}.`,
      fix: 'Load a Baichuan-7B or Baichuan-13B checkpoint; code that a file names is never run.',
      expected,
      found,
    },
    'config-architecture',
  );
}

/** The context length, from the key that belongs to the class. The key of the other class is a
 *  contradiction: Baichuan 2 7B has the class name of 13B but rotary positions.
 *  @throws config-architecture, config-field, config-limit */
export function takeContextLength(
  fields: JsonFields,
  architecture: Architecture,
  notices: string[],
): number {
  const range = { min: 1, max: MAX_CONTEXT, limitCode: 'config-limit' } as const;
  const isRope = architecture === 'BaiChuanForCausalLM';
  const key = isRope ? 'max_position_embeddings' : 'model_max_length';
  const otherKey = isRope ? 'model_max_length' : 'max_position_embeddings';
  const other = fields.object.get(otherKey) ?? null;
  if (other === null) return takeInteger(fields, key, range);
  if (isRope && fields.object.get(key) === other) {
    notices.push(`${otherKey} equals ${key} and is not needed in a 7B configuration.`);
    return takeInteger(fields, key, range);
  }
  const found = showJson(other);
  const own = isRope ? '7B with rotary positions' : '13B with ALiBi';
  const foreign = isRope ? '13B, with ALiBi' : '7B and Baichuan 2, with rotary positions';
  throw fieldError(
    fields,
    otherKey,
    {
      what: `the class ${architecture} is ${own}, but this key (${found}) is that of ${foreign}.`,
      fix: `Take the published config.json, or leave only ${key} if the weights are ${own}.`,
      expected: `${key} alone`,
      found: `${otherKey} ${found}`,
    },
    'config-architecture',
  );
}
