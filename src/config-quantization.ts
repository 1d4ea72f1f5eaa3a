/** `quantization_config` of a `config.json`: how the weights of its folder are quantized, as
 *  `convert` writes it. The quantizations of other programs are named and refused.
 *
 *    "quantization_config": { "quant_method": "baichuan-ts", "version": 1, "type": "int4",
 *                             "bits": 4, "group_size": 32 }
 *
 *  `group_size` is −1 where a whole row has one scale. The layout of the tensors is described in
 *  src/formats/weight-scales.ts. */
import { type JsonFields, takeObject, takeValue, unexpected } from './json-fields.ts';

/** What each type is, for readers that do not know its name. */
const TYPES = {
  int8: { bits: 8, group_size: 32 },
  int4: { bits: 4, group_size: 32 },
  'int8-channel': { bits: 8, group_size: -1 },
  'int4-channel': { bits: 4, group_size: -1 },
} as const;

/** How weights are stored. */
export type StoredQuantization = keyof typeof TYPES;

export const QUANTIZATION_KEY = 'quantization_config';

const METHOD = 'baichuan-ts';
const VERSION = 1;

/** The value of `quantization_config` for a type. */
export function quantizationConfig(type: StoredQuantization): Record<string, string | number> {
  return { quant_method: METHOD, version: VERSION, type, ...TYPES[type] };
}

/** How the weights of a folder are quantized.
 *  @returns undefined where they are floats @throws config-unsupported */
export function takeQuantization(root: JsonFields): StoredQuantization | undefined {
  if ((root.object.get(QUANTIZATION_KEY) ?? null) === null) return undefined;
  const isObject = root.object.get(QUANTIZATION_KEY) instanceof Map;
  const fields = isObject ? takeObject(root, QUANTIZATION_KEY) : undefined;
  if (fields?.object.get('quant_method') !== METHOD) {
    const allowed = `no value, or one with quant_method "${METHOD}",`;
    throw unexpected(root, QUANTIZATION_KEY, allowed, 'config-unsupported');
  }
  expectValue(fields, 'version', VERSION);
  const name = takeValue(fields, 'type');
  const type = Object.keys(TYPES).find((known): known is StoredQuantization => known === name);
  if (type === undefined) {
    const allowed = Object.keys(TYPES).join(', ');
    throw unexpected(fields, 'type', `one of ${allowed}`, 'config-unsupported');
  }
  for (const [key, value] of Object.entries(TYPES[type])) expectValue(fields, key, value);
  return type;
}

function expectValue(fields: JsonFields, key: string, value: number): void {
  if (takeValue(fields, key) === value) return;
  throw unexpected(fields, key, String(value), 'config-unsupported');
}
