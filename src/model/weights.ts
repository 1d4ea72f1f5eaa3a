/** The tensors of a published checkpoint and the fields of the model that they fill. The only place
 *  that spells checkpoint names. Source: the published shards of baichuan-inc/Baichuan-7B and
 *  Baichuan-13B-Base, whose names and shapes are the same in both classes. */

import type { BaichuanConfig } from '../config.ts';
import type {
  Kernels,
  LinearWeight,
  Parameter,
  ParameterRows,
  Place,
  WeightFormat,
} from '../kernels/kernels.ts';
import { alibiSlopes } from '../layers/alibi.ts';
import type { DecoderLayerWeights } from '../layers/decoder-layer.ts';
import type { EmbeddingWeights } from '../layers/embedding.ts';
import type { RmsNormWeights } from '../layers/rms-norm.ts';

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

/** What a parameter does, which decides how it may be held: the published quantizers spare the
 *  embedding and the head. */
export type ParameterRole = 'embedding' | 'norm' | 'linear' | 'head';

/** One parameter of a model. */
export interface ParameterInfo {
  readonly role: ParameterRole;
  /** `[…]`, linear weights `[out, in]`. */
  readonly shape: readonly number[];
  readonly place: Place;
}

/** Every parameter by its name, in the order of execution. */
export function parameterTable(config: BaichuanConfig): ReadonlyMap<string, ParameterInfo> {
  const { vocabSize: V, hiddenSize: C, intermediateSize: F, numHiddenLayers } = config;
  const table = new Map<string, ParameterInfo>();
  const add = (path: string, role: ParameterRole, shape: readonly number[], place: Place) =>
    table.set(`${path}.weight`, { role, shape, place });
  add(EMBEDDING, 'embedding', [V, C], 'embedding');
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const path = layerPath(layer);
    add(`${path}.input_layernorm`, 'norm', [C], layer);
    add(`${path}.self_attn.W_pack`, 'linear', [3 * C, C], layer);
    add(`${path}.self_attn.o_proj`, 'linear', [C, C], layer);
    add(`${path}.post_attention_layernorm`, 'norm', [C], layer);
    add(`${path}.mlp.gate_proj`, 'linear', [F, C], layer);
    add(`${path}.mlp.up_proj`, 'linear', [F, C], layer);
    add(`${path}.mlp.down_proj`, 'linear', [C, F], layer);
  }
  add(FINAL_NORM, 'norm', [C], 'head');
  return add(HEAD, 'head', [V, C], 'head');
}

/** Name and shape of every parameter, in the order of execution.
 *  @returns name → `[…]`, linear weights `[out, in]` */
export function parameterShapes(config: BaichuanConfig): ReadonlyMap<string, readonly number[]> {
  return new Map([...parameterTable(config)].map(([name, { shape }]) => [name, shape]));
}

/** A model whose memory is there and whose numbers are still to come. */
export interface UnfilledWeights {
  readonly weights: BaichuanWeights;
  /** Takes rows of a parameter; see `Parameter.write`. */
  write(name: string, row: number, rows: ParameterRows): void;
}

/** Makes room for every weight of a model.
 *  @param formatOf how a parameter of that name is held @throws out-of-memory */
export function createWeights(
  config: BaichuanConfig,
  kernels: Kernels,
  formatOf: (name: string) => WeightFormat,
): UnfilledWeights {
  const table = parameterTable(config);
  const parameters = new Map<string, Parameter<unknown>>();
  const keep = <Weight>(name: string, parameter: Parameter<Weight>): Weight => {
    parameters.set(name, parameter);
    return parameter.weight;
  };
  const find = (path: string) => {
    const name = `${path}.weight`;
    const { shape, place } = table.get(name) as ParameterInfo;
    return { name, matrix: [shape[0], shape[1]] as const, length: shape[0], place };
  };
  const linear = (path: string) => {
    const { name, matrix, place } = find(path);
    return keep(name, kernels.createLinear(path, matrix, formatOf(name), place));
  };
  const norm = (path: string): RmsNormWeights => {
    const { name, length, place } = find(path);
    return { path, weight: keep(name, kernels.createVector(length, place)) };
  };
  const embedding = find(EMBEDDING);
  const format = formatOf(embedding.name);
  const rows = kernels.createTable(embedding.matrix, format, embedding.place);
  const embedTokens = { path: EMBEDDING, table: keep(embedding.name, rows) };
  const slopes = config.position === 'alibi' ? alibiSlopes(config.numAttentionHeads) : null;
  const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) =>
    layerWeights(layerPath(layer), slopes, linear, norm),
  );
  return {
    weights: { embedTokens, layers, norm: norm(FINAL_NORM), lmHead: linear(HEAD) },
    write: (name, row, rows) => (parameters.get(name) as Parameter<unknown>).write(row, rows),
  };
}

function layerWeights(
  path: string,
  alibiSlopes: Float32Array | null,
  linear: (path: string) => LinearWeight,
  norm: (path: string) => RmsNormWeights,
): DecoderLayerWeights {
  return {
    path,
    inputLayernorm: norm(`${path}.input_layernorm`),
    selfAttn: {
      path: `${path}.self_attn`,
      wPack: linear(`${path}.self_attn.W_pack`),
      oProj: linear(`${path}.self_attn.o_proj`),
      alibiSlopes,
    },
    postAttentionLayernorm: norm(`${path}.post_attention_layernorm`),
    mlp: {
      path: `${path}.mlp`,
      gateProj: linear(`${path}.mlp.gate_proj`),
      upProj: linear(`${path}.mlp.up_proj`),
      downProj: linear(`${path}.mlp.down_proj`),
    },
  };
}

function layerPath(layer: number): string {
  return `model.layers.${layer}`;
}
