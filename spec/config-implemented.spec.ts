import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../src/config.ts';
import { SETTINGS } from '../src/config-implemented.ts';
import { utf8 } from './support/model-files.ts';
import { type ExpectedRefusal, expectRefusal } from './support/refusal.ts';

const implemented = suite('config-implemented');

const goldens = new URL('../fixtures/goldens/', import.meta.url);
const ropeText = readFileSync(new URL('rope-4heads/config.json', goldens), 'utf8');
const alibiText = readFileSync(new URL('alibi-5heads/config.json', goldens), 'utf8');
const rope: Record<string, unknown> = JSON.parse(ropeText);
const alibi: Record<string, unknown> = JSON.parse(alibiText);

function parse(content: Record<string, unknown> | string) {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  return parseConfig(utf8(text), { file: 'config.json' });
}

function refuse(content: Record<string, unknown>, expected: ExpectedRefusal) {
  return expectRefusal(() => parse(content), { file: 'config.json', ...expected });
}

/** A value of each setting that would change the result. */
const settings: Record<string, unknown> = {
  rope_scaling: { type: 'linear', factor: 2 },
  quantization_config: { bits: 4 },
  tie_word_embeddings: true,
  num_key_value_heads: 2,
  rope_theta: 500_000,
  rotary_emb_base: 1e6,
  rope_parameters: { rope_type: 'linear' },
  partial_rotary_factor: 0.5,
  rotary_pct: 0.25,
  alibi: true,
  use_alibi: true,
  position_embedding_type: 'absolute',
  head_dim: 32,
  query_pre_attn_scalar: 256,
  attention_bias: true,
  qkv_bias: true,
  attention_multiplier: 0.5,
  attn_logit_softcapping: 50,
  clip_qkv: 8,
  qk_norm: true,
  use_qk_norm: true,
  sliding_window: 1024,
  use_sliding_window: true,
  multi_query: true,
  add_cross_attention: true,
  bias: true,
  use_bias: true,
  mlp_bias: true,
  parallel_attn: true,
  parallel_residual: true,
  use_parallel_residual: true,
  residual_multiplier: 0.2,
  embedding_multiplier: 12,
  num_experts: 8,
  num_local_experts: 8,
  is_encoder_decoder: true,
  norm_head: true,
  logit_scale: 0.0625,
  logits_scaling: 8,
  final_logit_softcapping: 30,
  torch_dtype: 'float64',
};

implemented('error: CF09 settings of other models, each by its name', async () => {
  assert.equal(
    [...SETTINGS, 'torch_dtype', 'quantization_config'].sort(),
    Object.keys(settings).sort(),
  );
  for (const [key, value] of Object.entries(settings)) {
    const where = `/${key}`;
    await refuse(
      { ...rope, [key]: value },
      { code: 'config-unsupported', where, fix: 'published' },
    );
  }
});

implemented('law: settings of other models are silent where they change nothing', async () => {
  const neutral = {
    ...{ partial_rotary_factor: 1, rotary_pct: 1, logit_scale: 1, head_dim: 16, qkv_bias: false },
    ...{ norm_head: false, sliding_window: null, alibi: false, position_embedding_type: 'rope' },
  };
  assert.equal(parse({ ...rope, ...neutral }), parse(rope));
  assert.equal(parse(ropeText.replace('{', '{"rope_theta": 10000.0,')), parse(rope));
  const own = { alibi: true, use_alibi: true, head_dim: 8, position_embedding_type: 'alibi' };
  assert.equal(parse({ ...alibi, ...own }), parse(alibi));
  const expected = { code: 'config-unsupported', where: '/alibi', message: 'true or no' } as const;
  await refuse({ ...alibi, alibi: false }, expected);
});

implemented.run();
