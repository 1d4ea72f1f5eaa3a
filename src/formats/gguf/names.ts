/** What llama.cpp calls the parameters of this architecture, and what the checkpoint calls them.
 *  `W_pack` is three tensors there, and so has no name. The only place that spells the names of
 *  GGUF tensors. Source: llama.cpp, gguf-py/gguf/constants.py, MODEL_TENSORS of Baichuan. */

/** One parameter under both names. */
export interface NamePair {
  readonly gguf: string;
  readonly checkpoint: string;
}

/** The parameters of a layer that have one tensor in both. */
const LAYER_NAMES: readonly NamePair[] = [
  { gguf: 'attn_norm', checkpoint: 'input_layernorm' },
  { gguf: 'attn_output', checkpoint: 'self_attn.o_proj' },
  { gguf: 'ffn_norm', checkpoint: 'post_attention_layernorm' },
  { gguf: 'ffn_gate', checkpoint: 'mlp.gate_proj' },
  { gguf: 'ffn_up', checkpoint: 'mlp.up_proj' },
  { gguf: 'ffn_down', checkpoint: 'mlp.down_proj' },
];

/** The parameters around the layers. */
export const TABLE: NamePair = named('token_embd', 'model.embed_tokens');
export const FINAL_NORM: NamePair = named('output_norm', 'model.norm');
export const HEAD: NamePair = named('output', 'lm_head');

function named(gguf: string, checkpoint: string): NamePair {
  return { gguf: `${gguf}.weight`, checkpoint: `${checkpoint}.weight` };
}

/** The queries, keys and values of a layer: their tensors, and the one that stacks them. */
export interface PackedNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly checkpoint: string;
}

/** Names of a tensor of a layer, whatever it is. */
export const LAYER_TENSOR = /^blk\.(\d{1,9})\./;

/** Names of the stacked parameter of a layer. */
export function packedNames(layer: number): PackedNames {
  return {
    query: `blk.${layer}.attn_q.weight`,
    key: `blk.${layer}.attn_k.weight`,
    value: `blk.${layer}.attn_v.weight`,
    checkpoint: `model.layers.${layer}.self_attn.W_pack.weight`,
  };
}

/** Names of the other parameters of a layer. */
export function layerNames(layer: number): readonly NamePair[] {
  return LAYER_NAMES.map(({ gguf, checkpoint }) =>
    named(`blk.${layer}.${gguf}`, `model.layers.${layer}.${checkpoint}`),
  );
}
