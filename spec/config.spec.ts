import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONFIG_PRESETS, countParameters, parseConfig } from '../src/config.ts';
import { BaichuanError } from '../src/errors.ts';
import { joinBytes, utf8 } from './support/model-files.ts';
import { type ExpectedRefusal, expectRefusal } from './support/refusal.ts';

const config = suite('config');

const goldens = new URL('../fixtures/goldens/', import.meta.url);
const ropeText = readFileSync(new URL('rope-4heads/config.json', goldens), 'utf8');
const alibiText = readFileSync(new URL('alibi-5heads/config.json', goldens), 'utf8');
const rope: Record<string, unknown> = JSON.parse(ropeText);
const alibi: Record<string, unknown> = JSON.parse(alibiText);

function parse(content: Record<string, unknown> | string) {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return parseConfig(utf8(text), { file: 'config.json' });
}

function refuse(content: Record<string, unknown> | string, expected: ExpectedRefusal) {
  return expectRefusal(() => parse(content), { file: 'config.json', ...expected });
}

/** The text of a configuration with one value spelt as given. */
function spelt(key: string, literal: string): string {
  return JSON.stringify({ ...rope, [key]: 'HERE' }).replace('"HERE"', literal);
}

config('law: the presets have exactly the published parameter counts', () => {
  assert.is(countParameters(CONFIG_PRESETS['baichuan-7b']), 7_000_559_616);
  assert.is(countParameters(CONFIG_PRESETS['baichuan-13b']), 13_264_901_120);
  assert.is(CONFIG_PRESETS['baichuan-13b'].headDim, 128);
});

config('golden: config.json of both classes gives every field', () => {
  assert.equal(parse(ropeText), {
    architecture: 'BaiChuanForCausalLM',
    position: 'rope',
    vocabSize: 96,
    hiddenSize: 64,
    intermediateSize: 168,
    numHiddenLayers: 3,
    numAttentionHeads: 4,
    headDim: 16,
    modelMaxLength: 64,
    rmsNormEps: 1e-6,
    ropeTheta: 10_000,
    padTokenId: 0,
    bosTokenId: 1,
    eosTokenId: 2,
    torchDtype: 'float32',
    notices: [],
  });
  const found = parse(alibiText);
  assert.is(found.architecture, 'BaichuanForCausalLM');
  assert.is(found.position, 'alibi');
  assert.is(found.headDim, 8);
});

config('law: each field of the file changes the field of the result, and no other', () => {
  const changes: [key: string, value: unknown, field: string][] = [
    ['vocab_size', 97, 'vocabSize'],
    ['intermediate_size', 170, 'intermediateSize'],
    ['num_hidden_layers', 4, 'numHiddenLayers'],
    ['max_position_embeddings', 65, 'modelMaxLength'],
    ['rms_norm_eps', 1e-5, 'rmsNormEps'],
    ['pad_token_id', 5, 'padTokenId'],
    ['bos_token_id', 6, 'bosTokenId'],
    ['eos_token_id', 7, 'eosTokenId'],
    ['torch_dtype', 'bfloat16', 'torchDtype'],
  ];
  for (const [key, value, field] of changes) {
    assert.equal(parse({ ...rope, [key]: value }), { ...parse(rope), [field]: value }, key);
  }
});

config('law: published keys without effect are silent, unknown ones make a notice', () => {
  const published = {
    auto_map: { AutoConfig: 'configuration_baichuan.BaiChuanConfig' },
    _from_model_config: true,
    transformers_version: '4.29.1',
    use_cache: true,
    initializer_range: 0.02,
    z_loss_weight: 0,
    gradient_checkpointing: [false],
    rope_scaling: null,
    num_key_value_heads: 4,
    rope_theta: 10000,
  };
  assert.equal(parse({ ...rope, ...published }), parse(rope));
  const { notices } = parse({ ...rope, hidden_size_: 1, '\u001b[2J': 2 });
  assert.equal(notices, ['Unknown keys are ignored: "hidden_size_", "\\u001b[2J".']);
});

config('law: token ids that are missing are the published ones, with a notice', () => {
  const { pad_token_id, bos_token_id, eos_token_id, ...rest } = rope;
  assert.equal([pad_token_id, bos_token_id, eos_token_id], [0, 1, 2]);
  const found = parse(rest);
  assert.equal([found.padTokenId, found.bosTokenId, found.eosTokenId], [0, 1, 2]);
  assert.is(found.notices.length, 3);
});

config('error: CF01 a file that is not JSON, or has a key twice', async () => {
  await refuse('{"vocab_size": 96,}', { code: 'json-syntax', where: 'line 1, column 19' });
  const twice = ropeText.replace('{', '{"vocab_size": 97,');
  await refuse(twice, { code: 'json-duplicate-key', where: '/vocab_size', fix: 'Remove' });
  await refuse('', { code: 'json-syntax', message: 'empty', fix: 'Download' });
  await refuse('[]', { code: 'config-field', where: 'the whole file', message: 'an object' });
  await refuse('<!DOCTYPE html><html>', { code: 'io-html', fix: 'Download' });
  const oid = `sha256:${'0'.repeat(64)}`;
  const pointer = `version https://git-lfs.github.com/spec/v1\noid ${oid}\nsize 733\n`;
  await refuse(pointer, { code: 'io-lfs', fix: 'git lfs pull' });
  const large = joinBytes(utf8(ropeText), new Uint8Array(2 ** 20).fill(0x20));
  const action = () => parseConfig(large, { file: 'config.json' });
  await expectRefusal(action, { code: 'json-size', file: 'config.json', expected: 2 ** 20 });
});

config('error: CF02 a field that is missing', async () => {
  for (const key of [
    ...['architectures', 'vocab_size', 'hidden_size', 'intermediate_size', 'num_hidden_layers'],
    ...['num_attention_heads', 'max_position_embeddings', 'rms_norm_eps'],
  ]) {
    const { [key]: _, ...rest } = rope;
    await refuse(rest, { code: 'config-field', where: `/${key}`, message: 'missing', fix: 'Add' });
  }
  const { model_max_length, ...rest } = alibi;
  assert.is(model_max_length, 64);
  await refuse(rest, { code: 'config-field', where: '/model_max_length', message: 'missing' });
});

config('error: CF03 a number that is negative, a fraction, a string or too large', async () => {
  const literals = ['-1', '0', '64.0', '6.5', '"64"', '1e999', '9007199254740993', 'null', '[64]'];
  for (const literal of literals) {
    for (const key of ['hidden_size', 'vocab_size', 'num_hidden_layers']) {
      await refuse(spelt(key, literal), {
        code: 'config-field',
        where: `/${key}`,
        message: ['from 1 to', literal.startsWith('[') ? 'an array of 1' : literal],
        fix: 'Correct',
      });
    }
  }
  await refuse({ ...rope, eos_token_id: 96 }, { code: 'config-field', where: '/eos_token_id' });
  const { eos_token_id, ...endless } = rope;
  assert.is(eos_token_id, 2);
  const beyond = { code: 'config-field', where: '/eos_token_id', found: 2 } as const;
  await refuse(
    { ...endless, vocab_size: 2 },
    { ...beyond, message: 'the published 2 lies beyond the ids' },
  );
  await refuse({ ...rope, pad_token_id: -1 }, { code: 'config-field', where: '/pad_token_id' });
});

config('error: CF04 a hidden size that does not split into the heads', async () => {
  const where = '/num_attention_heads';
  const message = ['64', '7'];
  await refuse({ ...rope, num_attention_heads: 7 }, { code: 'config-field', where, message });
  await refuse({ ...rope, num_attention_heads: 64 }, { code: 'config-field', where });
  assert.is(parse({ ...alibi, num_attention_heads: 40 }).headDim, 1);
});

config('error: CF05 sizes above any model of the family', async () => {
  const limits: [string, number][] = [
    ['hidden_size', 65_536],
    ['num_hidden_layers', 512],
    ['num_attention_heads', 1024],
    ['vocab_size', 2 ** 20],
    ['max_position_embeddings', 2 ** 20],
  ];
  for (const [key, max] of limits) {
    for (const value of [max + 1, 1e9, Number.MAX_SAFE_INTEGER]) {
      const message = [`from 1 to ${max}`, String(value)];
      await refuse({ ...rope, [key]: value }, { code: 'config-limit', where: `/${key}`, message });
    }
  }
});

config('error: CF07 another architecture, whose code is never run', async () => {
  const code = 'config-architecture';
  const llama = { ...rope, architectures: ['LlamaForCausalLM'] };
  const message = ['LlamaForCausalLM', 'BaiChuanForCausalLM', 'BaichuanForCausalLM'];
  await refuse(llama, { code, where: '/architectures', message, fix: 'never run' });
  await refuse({ ...rope, model_type: 'llama' }, { code, where: '/model_type', message: 'llama' });
  for (const architectures of [[], [7], ['BaiChuanForCausalLM', 'LlamaForCausalLM']]) {
    await refuse({ ...rope, architectures }, { code, where: '/architectures' });
  }
  const auto_map = { AutoModelForCausalLM: '../../evil--evil.Model' };
  assert.equal(parse({ ...rope, auto_map }).notices, []);
});

config('error: CF07 the class name of one model with the context key of the other', async () => {
  const code = 'config-architecture';
  const { max_position_embeddings, ...ropeRest } = rope;
  const { model_max_length, ...alibiRest } = alibi;
  const other = { ...ropeRest, model_max_length };
  await refuse(other, { code, where: '/model_max_length', message: '7B', fix: 'only max_pos' });
  const where = '/max_position_embeddings';
  const swapped = { ...alibiRest, max_position_embeddings };
  await refuse(swapped, { code, where, message: ['13B', 'ALiBi', 'Baichuan 2'] });
  await refuse({ ...alibi, max_position_embeddings }, { code, where });
  const both = { ...rope, model_max_length: 65 };
  await refuse(both, { code, where: '/model_max_length', message: '65' });
  assert.is(parse({ ...rope, model_max_length: 64 }).notices.length, 1);
});

config('error: CF07 Baichuan 2, which shares the class name of 13B', async () => {
  const baichuan2 = { ...alibi, vocab_size: 125_696 };
  const message = 'Baichuan 2';
  const where = '/vocab_size';
  await refuse(baichuan2, { code: 'config-unsupported', where, message, fix: '64000' });
});

config('error: CF08 an eps that is not above 0, another activation', async () => {
  for (const literal of ['0', '-0.5', '-0.0', '"1e-6"', '2', '1e999', 'null']) {
    const text = spelt('rms_norm_eps', literal);
    await refuse(text, { code: 'config-field', where: '/rms_norm_eps', message: literal });
  }
  const gelu = { ...rope, hidden_act: 'gelu' };
  const message = ['"silu"', '"gelu"'];
  await refuse(gelu, { code: 'config-activation', where: '/hidden_act', message });
});

config('law: any change of one value gives a configuration in its limits, or an error', () => {
  const numbers = fc.constantFrom('0', '-1', '1', '64', '1e3', '2.5', '1e999', '4294967296', '-0');
  const others = fc.constantFrom('null', 'true', '""', '"silu"', '[]', '{}', '["BaiChuan"]', 'x');
  const key = fc.constantFrom(...Object.keys(rope), '__proto__', 'rope_scaling', '');
  fc.assert(
    fc.property(key, fc.oneof(numbers, others, fc.json({ maxDepth: 2 })), (name, literal) => {
      const text = `{${JSON.stringify(name)}:${literal},${ropeText.trim().slice(1)}`;
      const renamed = name in rope ? text.replace(`"${name}": `, '"other": ') : text;
      try {
        const { headDim, numAttentionHeads, hiddenSize, rmsNormEps } = parse(renamed);
        assert.is(headDim * numAttentionHeads, hiddenSize);
        assert.ok(rmsNormEps > 0);
      } catch (error) {
        assert.instance(error, BaichuanError);
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});

config.run();
