/** Known bugs of the feed-forward, the embedding and the head. */

import { exp } from '../../math/index.ts';
import { float32, type Tensor } from '../../tensor/tensor.ts';
import { matrixWeight, numbersOfWeight } from '../oracle-kernels.ts';
import { type KnownBug, mapTensor, withKernels, withLinear } from './known-bug.ts';

/** Another activation in place of silu. */
function activationBug(name: string, summary: string, activation: (x: number) => number): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withKernels(setup, () => ({
        siluMul: (gate, up, activated) => {
          const values = float32(gate).map(activation);
          if (activated !== null) float32(activated).set(values);
          const ups = float32(up);
          return mapTensor(gate, (_, i) => values[i] * ups[i]);
        },
      })),
  };
}

function sigmoid(x: number): number {
  return 1 / (1 + exp(-x));
}

/** GELU by its tanh form: x · σ(2 · √(2/π) · (x + 0.044715 x³)). */
function geluTanh(x: number): number {
  return x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x));
}

/** erf by formula 7.1.26 of Abramowitz and Stegun, to 1.5e-7. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - series * exp(-x * x));
}

function embeddingBug(
  name: string,
  summary: string,
  change: (ids: readonly number[], V: number, embed: (ids: readonly number[]) => Tensor) => Tensor,
): KnownBug {
  return {
    name,
    summary,
    change: (setup) =>
      withKernels(setup, (kernels) => ({
        embedding: (ids, table) =>
          change(ids, setup.config.vocabSize, (other) => kernels.embedding(other, table)),
      })),
  };
}

/** The length of every row of a head's weight. */
function rowLengths(table: Tensor): Float64Array {
  const [rows, C] = table.shape;
  const weights = float32(table);
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let i = row * C; i < (row + 1) * C; i++) sum += weights[i] * weights[i];
    return Math.sqrt(sum);
  });
}

export const FEED_FORWARD_BUGS: readonly KnownBug[] = [
  {
    name: 'gate-up-swapped',
    summary: 'gate_proj and up_proj are exchanged.',
    change: (setup) => {
      const layers = setup.weights.layers.map((layer) => {
        const { gateProj: gate, upProj: up } = layer.mlp;
        const [gateProj, upProj] = [
          { ...up, path: gate.path },
          { ...gate, path: up.path },
        ];
        return { ...layer, mlp: { ...layer.mlp, gateProj, upProj } };
      });
      return { ...setup, weights: { ...setup.weights, layers } };
    },
  },
  {
    name: 'activation-on-up',
    summary: 'silu is applied to up instead of gate.',
    change: (setup) =>
      withKernels(setup, (kernels) => ({
        siluMul: (gate, up, activated) => kernels.siluMul(up, gate, activated),
      })),
  },
  activationBug(
    'activation-gelu',
    'GELU is used instead of SiLU.',
    (x) => (x * (1 + erf(x / Math.SQRT2))) / 2,
  ),
  activationBug('activation-gelu-tanh', 'GELU in its tanh form is used instead of SiLU.', geluTanh),
  activationBug('activation-relu', 'ReLU is used instead of SiLU.', (x) => Math.max(0, x)),
  activationBug('activation-sigmoid', 'The gate is σ(x) instead of x · σ(x).', sigmoid),
  activationBug('activation-missing', 'The gate is linear: there is no activation.', (x) => x),
  embeddingBug(
    'embedding-scaled',
    'Embeddings are multiplied by √hidden size.',
    (ids, _V, embed) => {
      const y = embed(ids);
      const factor = Math.sqrt(y.shape[1]);
      return mapTensor(y, (x) => x * factor);
    },
  ),
  {
    name: 'embedding-output-scaled',
    summary: 'What embed_tokens gives is multiplied by √hidden size before layer 0.',
    change: (setup) => {
      const factor = Math.sqrt(setup.config.hiddenSize);
      return { ...setup, afterEmbedding: (x) => x.map((value) => value * factor) };
    },
  },
  embeddingBug(
    'embedding-next-row',
    'Ids look up the next row of the embedding table.',
    (ids, V, embed) => embed(ids.map((id) => (id + 1) % V)),
  ),
  embeddingBug('embedding-previous-row', 'Ids look up the row before theirs.', (ids, V, embed) =>
    embed(ids.map((id) => (id + V - 1) % V)),
  ),
  {
    name: 'head-tied',
    summary: 'The head uses the embedding table: this family does not tie them.',
    change: (setup) => {
      const { lmHead, embedTokens } = setup.weights;
      const table = numbersOfWeight(embedTokens.table);
      if (table === undefined) return setup;
      const tied = matrixWeight(lmHead.path, table);
      return { ...setup, weights: { ...setup.weights, lmHead: tied } };
    },
  },
  {
    name: 'head-normalized',
    summary: 'Rows of the head are L2-normalised, as Baichuan 2 has it and this family has not.',
    // What rows of length 1 give is divided here, since a copy of the head of 13B takes 1.3 GB.
    change: (setup) =>
      withLinear(setup, ['lmHead'], (x, weight, kernels) => {
        const y = kernels.linear(x, weight);
        const table = numbersOfWeight(weight);
        if (table === undefined) return y;
        const lengths = rowLengths(table);
        return mapTensor(y, (score, index) => score / lengths[index % lengths.length]);
      }),
  },
];
