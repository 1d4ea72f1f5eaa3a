/** Models of a size of one's choice with normally distributed weights, of which some input channels
 *  are larger than the others, as trained models have them. */

import { cos, log } from '../../src/math/index.ts';
import type { ModelParts } from './quantized-models.ts';

export interface GaussianOptions {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
  /** How many input channels of every linear layer are larger, and how much. */
  readonly outliers: { readonly count: number; readonly factor: number };
  readonly seed: number;
}

/** Weights of unit gain: y = x · Wᵀ has the size of x. Logits of size 1 spread over the vocabulary,
 *  so that a few dozen tokens give a divergence to a few per cent. */
export function gaussianModel(options: GaussianOptions): ModelParts {
  const { hidden: C, intermediate: F, layers, heads, vocabulary: V, outliers } = options;
  const normal = normalSource(options.seed);
  const weights = new Map<string, { shape: number[]; values: Float32Array }>();
  const add = (name: string, shape: number[], value: (index: number) => number) => {
    const length = shape.reduce((product, axis) => product * axis, 1);
    const values = Float32Array.from({ length }, (_, index) => value(index));
    weights.set(`${name}.weight`, { shape, values });
  };
  const linear = (name: string, outFeatures: number, inFeatures: number) => {
    const step = Math.floor(inFeatures / Math.max(1, outliers.count));
    const isLarger = (k: number) => outliers.count > 0 && k % step === 7;
    const gain = 1 / Math.sqrt(inFeatures);
    add(
      name,
      [outFeatures, inFeatures],
      (index) => gain * normal() * (isLarger(index % inFeatures) ? outliers.factor : 1),
    );
  };

  add('model.embed_tokens', [V, C], normal);
  for (let layer = 0; layer < layers; layer++) {
    const path = `model.layers.${layer}`;
    add(`${path}.input_layernorm`, [C], () => 1);
    linear(`${path}.self_attn.W_pack`, 3 * C, C);
    linear(`${path}.self_attn.o_proj`, C, C);
    add(`${path}.post_attention_layernorm`, [C], () => 1);
    linear(`${path}.mlp.gate_proj`, F, C);
    linear(`${path}.mlp.up_proj`, F, C);
    linear(`${path}.mlp.down_proj`, C, F);
  }
  add('model.norm', [C], () => 1);
  add('lm_head', [V, C], () => normal() / Math.sqrt(C));

  const config = {
    ...{ architectures: ['BaichuanForCausalLM'], model_type: 'baichuan', hidden_act: 'silu' },
    ...{ vocab_size: V, hidden_size: C, intermediate_size: F, num_hidden_layers: layers },
    ...{ num_attention_heads: heads, model_max_length: 512, rms_norm_eps: 1e-6 },
    ...{ pad_token_id: 0, bos_token_id: 1, eos_token_id: 2, tie_word_embeddings: false },
    torch_dtype: 'float32',
  };
  return { config, weights };
}

const TABLE_BITS = 16;

/** Normal numbers of unit variance, drawn from a table made by Box and Muller's method. */
export function normalSource(seed: number): () => number {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
  const uniform = () => (next() + 0.5) / 2 ** 32;
  const table = Float64Array.from(
    { length: 2 ** TABLE_BITS },
    () => Math.sqrt(-2 * log(uniform())) * cos(2 * Math.PI * uniform()),
  );
  return () => table[next() >>> (32 - TABLE_BITS)];
}
