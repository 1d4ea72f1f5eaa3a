/** The logit lens: what the model would say if it stopped after a layer. The output x of every
 *  layer goes through the final norm and the head, as if it were the last one:
 *
 *      p = softmax(W_head · rmsNorm(x) · w_norm)
 *
 *  It is computed with the numbers of the checkpoint in float32, sums in float64, by the reference
 *  kernels: of the last layer it is the model's own answer, but for the rounding of the engine. The
 *  head goes by in blocks of rows; what is kept of each answer is its largest scores and Σ e^score.
 *  Source: nostalgebraist, "interpreting GPT: the logit lens", 2020. */

import type { BaichuanConfig } from '../../config.ts';
import type { Checkpoint, StoredTensor } from '../../formats/checkpoint.ts';
import { matmul } from '../../kernels/reference/matmul.ts';
import { rmsNorm } from '../../kernels/reference/rms-norm.ts';
import { exp, log } from '../../math/index.ts';
import { traceName } from '../../model/trace-points.ts';
import { parameterTable } from '../../model/weights.ts';
import { expectGoingOn } from '../pieces.ts';
import { readFloats, storedOf } from '../reference-model.ts';
import { findEntry, type TraceEntry, type TraceSource } from '../trace-source.ts';
import { largest, type Ranked } from './token-rows.ts';

/** The numbers that a lens reads. */
export interface LensModel {
  readonly config: BaichuanConfig;
  readonly checkpoint: Checkpoint;
}

export interface LogitLens {
  /** What each row was read from, in the order of execution. */
  readonly layers: readonly string[];
  /** Positions of the prompt, the last ones. */
  readonly positions: readonly number[];
  /** [layer][position], the likeliest first. */
  readonly ranked: readonly (readonly (readonly Ranked[])[])[];
}

/** Likeliest tokens that are kept of an answer. */
const TOP = 5;
/** Products of numbers that a lens may take: some 20 s. */
const MAX_PRODUCTS = 2e10;
/** Answers that a page shows. */
const MAX_ANSWERS = 2400;
/** Elements of the head that are read at once. */
const BLOCK = 2 ** 21;

/** Reads the prompt's last positions after every layer; undefined where no layer was recorded.
 *  @throws model-missing, aborted, io-… */
export async function collectLens(
  { config, checkpoint }: LensModel,
  trace: TraceSource,
  signal?: AbortSignal,
): Promise<LogitLens | undefined> {
  const { vocabSize: V, hiddenSize: C, rmsNormEps } = config;
  const sources = sourcesOf(trace, config);
  const T = sources[0]?.entry.shape[0] ?? 0;
  if (T === 0) return undefined;
  const affordable = Math.min(MAX_PRODUCTS / (V * C), MAX_ANSWERS) / sources.length;
  const count = Math.max(1, Math.min(T, Math.floor(affordable)));
  const positions = Array.from({ length: count }, (_, i) => T - count + i);
  const rows = sources.length * count;
  const x = new Float32Array(rows * C);
  for (const [index, { entry }] of sources.entries()) {
    x.set(await entry.read((T - count) * C, count * C), index * count * C);
  }
  const [norm, head] = headOf(config, checkpoint);
  const y = new Float32Array(rows * C);
  rmsNorm(y, x, await readFloats(norm, C), rmsNormEps, C, 0, rows);
  const answers = await readHead(head, y, { rows, V, C, signal });
  const ranked = sources.map((_, index) => answers.slice(index * count, (index + 1) * count));
  return { layers: sources.map(({ name }) => name), positions, ranked };
}

function sourcesOf(
  trace: TraceSource,
  { numHiddenLayers }: BaichuanConfig,
): { name: string; entry: TraceEntry }[] {
  const embedding = findEntry(trace, traceName('embedding'));
  const sources = embedding === undefined ? [] : [{ name: 'embedding', entry: embedding }];
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const entry = findEntry(trace, traceName('layer', layer));
    if (entry !== undefined) sources.push({ name: `layer ${layer}`, entry });
  }
  return sources;
}

/** The last two parameters: final norm and head. */
function headOf(config: BaichuanConfig, checkpoint: Checkpoint): StoredTensor[] {
  const table = [...parameterTable(config)].filter(([, { place }]) => place === 'head');
  return table.map(([name]) => storedOf(checkpoint, name));
}

interface HeadJob {
  readonly rows: number;
  readonly V: number;
  readonly C: number;
  readonly signal: AbortSignal | undefined;
}

/** The likeliest tokens of every row of y. */
async function readHead(
  head: StoredTensor,
  y: Float32Array,
  { rows, V, C, signal }: HeadJob,
): Promise<Ranked[][]> {
  const best: Scored[][] = Array.from({ length: rows }, () => []);
  const sums = Array.from({ length: rows }, () => ({ max: Number.NEGATIVE_INFINITY, sum: 0 }));
  const step = Math.max(1, Math.floor(BLOCK / C));
  for (let start = 0; start < V; start += step) {
    expectGoingOn(signal, 'report');
    const count = Math.min(step, V - start);
    const block = await readFloats(head, count, start);
    const scores = new Float32Array(rows * count);
    matmul(scores, y, block, rows, count, C, 0, count);
    for (let row = 0; row < rows; row++) {
      const own = scores.subarray(row * count, (row + 1) * count);
      sums[row] = addScores(sums[row], own);
      const here = largest(own, TOP).map((i) => ({ id: start + i, score: own[i] }));
      // Earlier ids stay in front of equal ones.
      best[row] = [...best[row], ...here].sort((a, b) => b.score - a.score).slice(0, TOP);
    }
  }
  return best.map((list, row) => {
    const normalizer = sums[row].max + log(sums[row].sum);
    return list.map(({ id, score }) => ({ id, probability: exp(score - normalizer) }));
  });
}

interface Scored {
  readonly id: number;
  readonly score: number;
}

interface ScoreSum {
  readonly max: number;
  /** Σ e^(score − max). */
  readonly sum: number;
}

/** Σ e^score goes on with further scores. */
function addScores({ max, sum }: ScoreSum, scores: Float32Array): ScoreSum {
  let highest = max;
  for (let i = 0; i < scores.length; i++) highest = Math.max(highest, scores[i]);
  let total = sum === 0 ? 0 : sum * exp(max - highest);
  for (let i = 0; i < scores.length; i++) total += exp(scores[i] - highest);
  return { max: highest, sum: total };
}
