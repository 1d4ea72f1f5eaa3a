/** The tensors of a published checkpoint and the fields of the model that they fill. The only place
 *  that spells checkpoint names. Source: the published shards of baichuan-inc/Baichuan-7B and
 *  Baichuan-13B-Base, whose names and shapes are the same in both classes. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels, LinearWeight } from '../kernels/kernels.ts';
import { alibiSlopes } from '../layers/alibi.ts';
import type { DecoderLayerWeights } from '../layers/decoder-layer.ts';
import type { EmbeddingWeights } from '../layers/embedding.ts';
import type { RmsNormWeights } from '../layers/rms-norm.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Every weight of a model, by layer. */
export interface BaichuanWeights {
  readonly embedTokens: EmbeddingWeights;
  readonly layers: readonly DecoderLayerWeights[];
  readonly norm: RmsNormWeights;
  readonly lmHead: LinearWeight;
}

const EMBEDDING = 'model.embed_tokens';
const FINAL_NORM = 'model.norm';
const HEAD = 'lm_head';

/** Older files hold the rotary frequencies, which are computed and not a parameter. */
const NOT_A_PARAMETER = /^model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/;

/** Whether a tensor of a checkpoint carries no parameter and is passed over. */
export function isIgnoredTensor(name: string): boolean {
  return NOT_A_PARAMETER.test(name);
}

/** Name and shape of every parameter, in the order of execution.
 *  @returns name → `[…]`, linear weights `[out, in]` */
export function parameterShapes(config: BaichuanConfig): ReadonlyMap<string, readonly number[]> {
  const { vocabSize: V, hiddenSize: C, intermediateSize: F, numHiddenLayers } = config;
  const shapes = new Map<string, readonly number[]>([[`${EMBEDDING}.weight`, [V, C]]]);
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const path = layerPath(layer);
    shapes.set(`${path}.input_layernorm.weight`, [C]);
    shapes.set(`${path}.self_attn.W_pack.weight`, [3 * C, C]);
    shapes.set(`${path}.self_attn.o_proj.weight`, [C, C]);
    shapes.set(`${path}.post_attention_layernorm.weight`, [C]);
    shapes.set(`${path}.mlp.gate_proj.weight`, [F, C]);
    shapes.set(`${path}.mlp.up_proj.weight`, [F, C]);
    shapes.set(`${path}.mlp.down_proj.weight`, [C, F]);
  }
  shapes.set(`${FINAL_NORM}.weight`, [C]);
  return shapes.set(`${HEAD}.weight`, [V, C]);
}

/** Fills the fields of a model, one tensor after the other.
 *  @param load gives the tensor of a parameter name, in the shape of `parameterShapes` */
export async function loadWeights(
  config: BaichuanConfig,
  kernels: Kernels,
  load: (name: string) => Promise<Tensor>,
): Promise<BaichuanWeights> {
  const linear = async (path: string) => kernels.pack(path, await load(`${path}.weight`));
  const norm = async (path: string) => ({ path, weight: await load(`${path}.weight`) });

  const embedTokens = { path: EMBEDDING, table: await load(`${EMBEDDING}.weight`) };
  const slopes = config.position === 'alibi' ? alibiSlopes(config.numAttentionHeads) : null;
  const layers: DecoderLayerWeights[] = [];
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const path = layerPath(layer);
    layers.push({
      path,
      inputLayernorm: await norm(`${path}.input_layernorm`),
      selfAttn: {
        path: `${path}.self_attn`,
        wPack: await linear(`${path}.self_attn.W_pack`),
        oProj: await linear(`${path}.self_attn.o_proj`),
        alibiSlopes: slopes,
      },
      postAttentionLayernorm: await norm(`${path}.post_attention_layernorm`),
      mlp: {
        path: `${path}.mlp`,
        gateProj: await linear(`${path}.mlp.gate_proj`),
        upProj: await linear(`${path}.mlp.up_proj`),
        downProj: await linear(`${path}.mlp.down_proj`),
      },
    });
  }
  return { embedTokens, layers, norm: await norm(FINAL_NORM), lmHead: await linear(HEAD) };
}

function layerPath(layer: number): string {
  return `model.layers.${layer}`;
}
