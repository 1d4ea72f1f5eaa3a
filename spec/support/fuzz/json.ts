/** The JSON parser and the three JSON files of a model as targets; the second reader is
 *  `JSON.parse`. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { type BaichuanConfig, parseConfig } from '../../../src/config.ts';
import { SETTINGS } from '../../../src/config-implemented.ts';
import { parseShardIndex, type ShardIndex } from '../../../src/formats/shard-index.ts';
import {
  type GenerationConfig,
  parseGenerationConfig,
} from '../../../src/generate/generation-config.ts';
import { HARMLESS_KEYS, NEUTRAL_VALUES } from '../../../src/generate/generation-config-keys.ts';
import { isJsonNumber, type JsonValue, parseJson } from '../../../src/json.ts';
import { anyJson, edgeNumber, type Json, jsonObject, markedJson, mostly } from './json-writer.ts';
import { edits, mutate } from './mutate.ts';
import { displaced, type FuzzTarget } from './target.ts';

/** Texts of values, half of them with one to three edits. */
function texts(value: fc.Arbitrary<Json>): fc.Arbitrary<Uint8Array> {
  const text = fc
    .tuple(value, fc.constantFrom('', '', ' ', '\n\t'))
    .map(([each, space]) => markedJson(each, space));
  return fc
    .tuple(text, fc.oneof(fc.constant([]), edits), text)
    .map(([file, changes, other]) => mutate(file, changes, other));
}

/** The bytes themselves, or a copy elsewhere in memory. */
function placed(bytes: Uint8Array, blockBytes: number | undefined): Uint8Array {
  return blockBytes === undefined ? bytes : displaced(bytes);
}

type Plain = Record<string, unknown>;

function otherJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
}

/** A value as `JSON.parse` shows it, its objects as lists of members. */
function plain(value: JsonValue): unknown {
  if (isJsonNumber(value)) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  return { members: [...value].map(([key, member]) => [key, plain(member)]).sort(byKey) };
}

function withMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMembers);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [key, withMembers(member)]);
  return { members: members.sort(byKey) };
}

function byKey([a]: unknown[], [b]: unknown[]): number {
  return String(a) < String(b) ? -1 : 1;
}

/** The parser. What it accepts, `JSON.parse` must give the same values. */
export const jsonTarget: FuzzTarget = {
  name: 'json',
  cases: texts(anyJson),
  open: async (bytes, blockBytes) =>
    parseJson(placed(bytes, blockBytes), { file: 'x.json', maxBytes: 2 ** 20 }),
  async expectSame(bytes, opened) {
    assert.equal(plain(opened as JsonValue), withMembers(otherJson(bytes)), 'I7: JSON.parse');
  },
};

/** Settings of other models and keys of no meaning, few in a file. */
function others(keys: readonly string[], value: fc.Arbitrary<Json>) {
  const key = fc.oneof(fc.constantFrom(...keys), fc.constantFrom('auto_map', '__proto__', 'x'));
  return fc.array(fc.tuple(key, fc.oneof(value, edgeNumber)), { maxLength: 2 });
}

function withOthers([first, second]: [Json, [string, Json][]]): Json {
  return first instanceof Map ? new Map([...first, ...second]) : first;
}

const size = (...values: number[]) => mostly(fc.constantFrom(...values));
const perhaps = (value: Json) =>
  fc.oneof({ weight: 3, arbitrary: mostly(fc.constant(value)) }, fc.constant(undefined));

const configs: fc.Arbitrary<Json> = fc
  .boolean()
  .chain((isRope) =>
    fc.record({
      architectures: mostly(fc.constant([isRope ? 'BaiChuanForCausalLM' : 'BaichuanForCausalLM'])),
      model_type: perhaps('baichuan'),
      vocab_size: size(64_000, 7),
      hidden_size: size(4096, 5120, 64),
      intermediate_size: size(11_008, 13_696, 3),
      num_hidden_layers: size(32, 40, 1),
      num_attention_heads: size(32, 1, 2),
      [isRope ? 'max_position_embeddings' : 'model_max_length']: size(4096, 1),
      rms_norm_eps: mostly(fc.constantFrom(1e-6, 1e-5)),
      hidden_act: perhaps('silu'),
      pad_token_id: perhaps(0),
      bos_token_id: perhaps(1),
      eos_token_id: perhaps(2),
      torch_dtype: perhaps('bfloat16'),
    }),
  )
  .map(jsonObject);

const neutral = fc.constantFrom<Json>(null, false, true, 1, 32, 128, 10_000, 'rope', 'alibi');

/** `config.json`. What is accepted has the numbers of the file. */
export const configTarget: FuzzTarget = {
  name: 'config',
  cases: texts(fc.tuple(configs, others(SETTINGS, neutral)).map(withOthers)),
  open: async (bytes, blockBytes) => parseConfig(placed(bytes, blockBytes), { file: 'x.json' }),
  async expectSame(bytes, opened) {
    const config = opened as BaichuanConfig;
    const raw = otherJson(bytes) as Plain;
    const isRope = String(raw.architectures) === 'BaiChuanForCausalLM';
    assert.equal(
      [raw.architectures, config.architecture],
      [[config.architecture], config.architecture],
    );
    assert.is(config.position, isRope ? 'rope' : 'alibi');
    const { hiddenSize, numAttentionHeads, headDim } = config;
    assert.equal(
      [config.vocabSize, hiddenSize, config.intermediateSize, config.numHiddenLayers],
      [raw.vocab_size, raw.hidden_size, raw.intermediate_size, raw.num_hidden_layers],
    );
    assert.equal(
      [numAttentionHeads, config.rmsNormEps],
      [raw.num_attention_heads, raw.rms_norm_eps],
    );
    const context = isRope ? raw.max_position_embeddings : raw.model_max_length;
    assert.is(config.modelMaxLength, context);
    assert.ok(Number.isSafeInteger(headDim) && headDim > 0 && !(isRope && headDim % 2 === 1));
    assert.is(headDim * numAttentionHeads, hiddenSize);
    const ids = [raw.pad_token_id ?? 0, raw.bos_token_id ?? 1, raw.eos_token_id ?? 2];
    assert.equal([config.padTokenId, config.bosTokenId, config.eosTokenId], ids);
    for (const id of ids) assert.ok(Number(id) >= 0 && Number(id) < config.vocabSize, `id ${id}`);
  },
};

const generationConfigs: fc.Arbitrary<Json> = fc
  .record({
    pad_token_id: perhaps(0),
    bos_token_id: perhaps(1),
    eos_token_id: fc.oneof(perhaps(2), mostly(fc.constant([2, 195]))),
    user_token_id: perhaps(195),
    assistant_token_id: perhaps(196),
    max_new_tokens: perhaps(2048),
    temperature: perhaps(0.3),
    top_k: perhaps(5),
    top_p: perhaps(0.85),
    min_p: perhaps(0.05),
    repetition_penalty: perhaps(1.1),
    do_sample: perhaps(true),
    stop_strings: fc.oneof(fc.constant(undefined), perhaps('\n'), perhaps(['a', 'b'])),
  })
  .map(jsonObject);

const VOCABULARY = 197;

/** Hugging Face's names of what is read as it stands, beside ours. */
const OPTIONS = {
  ...{ maxNewTokens: 'max_new_tokens', doSample: 'do_sample', temperature: 'temperature' },
  ...{ topK: 'top_k', topP: 'top_p', minP: 'min_p', repetitionPenalty: 'repetition_penalty' },
} as const;

/** `generation_config.json`. What is accepted has the values of the file. */
export const generationConfigTarget: FuzzTarget = {
  name: 'generation-config',
  cases: texts(
    fc
      .tuple(generationConfigs, others([...NEUTRAL_VALUES.keys(), ...HARMLESS_KEYS], neutral))
      .map(withOthers),
  ),
  open: async (bytes, blockBytes) => {
    const context = { file: 'x.json', vocabSize: VOCABULARY };
    return parseGenerationConfig(placed(bytes, blockBytes), context);
  },
  async expectSame(bytes, opened) {
    const { options, userTokenId, assistantTokenId, bosTokenId, padTokenId } =
      opened as GenerationConfig;
    const raw = otherJson(bytes) as Plain;
    const list = (value: unknown) => (Array.isArray(value) || value == null ? value : [value]);
    for (const [ours, theirs] of Object.entries(OPTIONS)) {
      assert.is(options[ours as keyof typeof OPTIONS], raw[theirs] ?? undefined, theirs);
    }
    const ids = [userTokenId, assistantTokenId, bosTokenId, padTokenId];
    const names = ['user_token_id', 'assistant_token_id', 'bos_token_id', 'pad_token_id'];
    assert.equal(
      ids,
      names.map((name) => raw[name] ?? undefined),
    );
    assert.equal(options.eosTokenIds, list(raw.eos_token_id) ?? undefined);
    assert.equal(options.stopStrings, list(raw.stop_strings) ?? undefined);
    for (const id of [...ids, ...(options.eosTokenIds ?? [])]) {
      assert.ok(id === undefined || (Number.isInteger(id) && id >= 0 && id < VOCABULARY));
    }
  },
};

const shardName = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('model-1.safetensors', 'pytorch_model-2.bin', 'a') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('../a', '/etc/passwd', 'C:\\a', '.', '', 'x'.repeat(256), 'a\0'),
  },
);

const shardIndexes: fc.Arbitrary<Json> = fc
  .record({
    metadata: fc.oneof(
      fc.constant(undefined),
      mostly(fc.constantFrom(48, 26_529_802_240).map((total_size) => jsonObject({ total_size }))),
    ),
    weight_map: mostly(
      fc
        .array(
          fc.tuple(
            fc.constantFrom('a', 'b.weight', 'lm_head.weight', '__proto__', ''),
            mostly(shardName),
          ),
          { maxLength: 4 },
        )
        .map((members) => new Map(members)),
    ),
  })
  .map(jsonObject);

/** A shard index. What is accepted names only files beside it, those of the text. */
export const shardIndexTarget: FuzzTarget = {
  name: 'shard-index',
  cases: texts(fc.tuple(shardIndexes, others(['metadata'], anyJson)).map(withOthers)),
  open: async (bytes, blockBytes) => parseShardIndex(placed(bytes, blockBytes), 'x.index.json'),
  async expectSame(bytes, opened) {
    const { weightMap, shards, totalSize } = opened as ShardIndex;
    const raw = otherJson(bytes) as { weight_map: Plain; metadata?: { total_size?: unknown } };
    assert.equal(withMembers(raw.weight_map), plain(new Map(weightMap)), 'I7: JSON.parse');
    assert.equal(new Set(shards), new Set(Object.values(raw.weight_map) as string[]));
    for (const shard of shards) {
      assert.ok(!/[/\\\0:]|^\.|^$/.test(shard) && shard.length <= 255, `a path: ${shard}`);
    }
    const total = raw.metadata?.total_size;
    assert.is(totalSize, typeof total === 'number' ? total : undefined);
  },
};
