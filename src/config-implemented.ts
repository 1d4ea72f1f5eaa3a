/** The settings of other models of this kind that a `config.json` may have, and the one value of
 *  each that computes what Baichuan computes; any other would change the result, and is an error.
 *  Source of the names: the configurations of transformers (Llama, GPT-NeoX, Falcon, Cohere,
 *  Granite, Gemma 2, Mixtral, Qwen 2) and configuration_baichuan.py of Baichuan 2. */
import { isJsonNumber } from './json.ts';
import { type JsonFields, unexpected } from './json-fields.ts';

/** What the neutral value of some settings depends on. */
export interface ModelShape {
  readonly position: 'rope' | 'alibi';
  readonly numAttentionHeads: number;
  readonly headDim: number;
}

type Neutral = string | number | boolean | null;

/** Setting → its neutral value; `null` where every value would change the result. */
const NEUTRAL: ReadonlyMap<string, Neutral | ((shape: ModelShape) => Neutral)> = new Map<
  string,
  Neutral | ((shape: ModelShape) => Neutral)
>([
  // Positions.
  ['rope_theta', 10_000],
  ['rotary_emb_base', 10_000],
  ['rope_scaling', null],
  ['rope_parameters', null],
  ['partial_rotary_factor', 1],
  ['rotary_pct', 1],
  ['alibi', ({ position }) => position === 'alibi'],
  ['use_alibi', ({ position }) => position === 'alibi'],
  ['position_embedding_type', ({ position }) => position],
  // Attention.
  ['num_key_value_heads', ({ numAttentionHeads }) => numAttentionHeads],
  ['head_dim', ({ headDim }) => headDim],
  ['query_pre_attn_scalar', ({ headDim }) => headDim],
  ['attention_bias', false],
  ['qkv_bias', false],
  ['attention_multiplier', null],
  ['attn_logit_softcapping', null],
  ['clip_qkv', null],
  ['qk_norm', false],
  ['use_qk_norm', false],
  ['sliding_window', null],
  ['use_sliding_window', false],
  ['multi_query', false],
  ['add_cross_attention', false],
  // The layer and what is around it.
  ['bias', false],
  ['use_bias', false],
  ['mlp_bias', false],
  ['parallel_attn', false],
  ['parallel_residual', false],
  ['use_parallel_residual', false],
  ['residual_multiplier', 1],
  ['embedding_multiplier', 1],
  ['num_experts', null],
  ['num_local_experts', null],
  ['is_encoder_decoder', false],
  // The head.
  ['tie_word_embeddings', false],
  ['norm_head', false],
  ['logit_scale', 1],
  ['logits_scaling', 1],
  ['final_logit_softcapping', null],
]);

/** The keys of these settings. */
export const SETTINGS: readonly string[] = [...NEUTRAL.keys()];

/** Refuses settings whose value would change what is computed. `null` is unset.
 *  @throws config-unsupported */
export function expectImplemented(fields: JsonFields, shape: ModelShape): void {
  for (const [key, neutral] of NEUTRAL) {
    const value = fields.object.get(key) ?? null;
    const plain = isJsonNumber(value) ? value.value : value;
    const only = typeof neutral === 'function' ? neutral(shape) : neutral;
    if (plain === null || plain === only) continue;
    const allowed = only === null ? 'no value' : `${JSON.stringify(only)} or no value`;
    throw unexpected(fields, key, allowed, 'config-unsupported');
  }
}
