/** The model that a trace is judged by where there is no checkpoint: EXPECTED takes the place of
 *  the weights. Linear layers and the embedding answer with what EXPECTED recorded, which is right
 *  as long as their inputs agree; weights of norms follow from their recorded inputs and outputs,
 *
 *      w[c] = Σ_t y[t, c] · n[t, c] / Σ_t n[t, c]²,   n = x / √(mean(x²) + eps)
 *
 *  and everything else (positions, scores, softmax, gate, residuals) needs no weights at all. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels, LinearWeight } from '../kernels/kernels.ts';
import { type TraceKind, traceInputs, traceName, tracePlace } from '../model/trace-points.ts';
import { createTensor, float32 } from '../tensor/tensor.ts';
import type { TensorVerdict } from './compare-traces.ts';
import { createOracleKernels } from './oracle-kernels.ts';
import { configOfStage, fillStage, type ReferenceModel } from './reference-model.ts';
import { PUBLISHED_ATTENTION, type Stage } from './stage.ts';
import { findEntry, readRow, type TraceSource } from './trace-source.ts';

/** Operations whose weights nobody has. */
const REPLAYED: ReadonlySet<TraceKind> = new Set([
  ...(['embedding', 'wPack', 'oProj', 'gate', 'up', 'down', 'lmHead'] as const),
]);

const NORMS = ['inputNorm', 'postNorm', 'finalNorm'] as const;

/** A linear weight that remembers whose output it stands for, wherever a bug puts it. */
interface ReplayedWeight extends LinearWeight {
  readonly kind: TraceKind;
}

/** A model that answers with what EXPECTED recorded of one row.
 *  @param verdicts of the comparison of both traces, which tell where inputs agree */
export function replayModel(
  config: BaichuanConfig,
  expected: TraceSource,
  verdicts: readonly TensorVerdict[],
  row = 0,
): ReferenceModel {
  const statuses = new Map(verdicts.map(({ name, status }) => [name, status]));
  const read = async (kind: TraceKind, layer: number) => {
    const entry = findEntry(expected, traceName(kind, layer));
    return entry === undefined ? undefined : Float32Array.from(await readRow(entry, row));
  };
  return {
    config,
    judges(place) {
      if (!REPLAYED.has(place.kind)) return true;
      if (findEntry(expected, traceName(place.kind, place.layer)) === undefined) return false;
      return traceInputs(place, config.position).every(
        (input) => statuses.get(traceName(input.kind, input.layer)) === 'within',
      );
    },
    async setup(stage, ids) {
      const layer = typeof stage === 'number' ? stage : 0;
      const recordings = new Map<TraceKind, Float32Array>();
      for (const kind of [...REPLAYED, ...NORMS, 'attention'] as const) {
        const values = isOf(kind, stage) ? await read(kind, layer) : undefined;
        if (values !== undefined) recordings.set(kind, values);
      }
      const before = stage === 'head' ? config.numHiddenLayers : layer;
      const input = await (before === 0 ? read('embedding', 0) : read('layer', before - 1));
      const stageConfig = configOfStage(config, stage);
      const kernels = replayKernels(recordings, ids.length);
      const weights = await fillStage(stageConfig, kernels, async (name, { role }) =>
        role === 'norm' ? normWeight(name, stageConfig, { recordings, input }) : undefined,
      );
      return { config: stageConfig, weights, kernels, ids, attention: PUBLISHED_ATTENTION };
    },
  };
}

function isOf(kind: TraceKind, stage: Stage): boolean {
  const isLast = kind === 'finalNorm' || kind === 'lmHead';
  if (stage === 'embedding') return kind === 'embedding';
  return (stage === 'head') === isLast && kind !== 'embedding';
}

function replayKernels(recordings: ReadonlyMap<TraceKind, Float32Array>, T: number): Kernels {
  const replay = (kind: TraceKind, width: number) => {
    const y = createTensor([T, width]);
    const values = recordings.get(kind);
    if (values?.length === T * width) float32(y).set(values);
    return y;
  };
  return {
    ...createOracleKernels(),
    embedding: (_ids, { columns }) => replay('embedding', columns),
    createLinear(path, [outFeatures, inFeatures], format) {
      const kind = tracePlace(`${path}.output`)?.kind ?? 'lmHead';
      const weight: ReplayedWeight = { path, outFeatures, inFeatures, format, kind };
      return { weight, write: () => 0 };
    },
    linear: (_x, weight) => replay((weight as ReplayedWeight).kind, weight.outFeatures),
  };
}

/** The weight of a norm, from what EXPECTED recorded before and behind it. */
function normWeight(
  name: string,
  { hiddenSize: C, rmsNormEps }: BaichuanConfig,
  from: {
    readonly recordings: ReadonlyMap<TraceKind, Float32Array>;
    readonly input: Float32Array | undefined;
  },
): Float32Array {
  const { recordings, input } = from;
  const kind = tracePlace(name.replace(/\.[a-z]+$/, '.output'))?.kind ?? 'finalNorm';
  const attention = recordings.get('attention');
  const middle = input && attention && input.map((x, i) => Math.fround(x + attention[i]));
  return estimateNorm(kind === 'postNorm' ? middle : input, recordings.get(kind), C, rmsNormEps);
}

/** Weights `[C]` of a norm by least squares over its tokens; ones where nothing is known. */
function estimateNorm(
  x: Float32Array | undefined,
  y: Float32Array | undefined,
  C: number,
  eps: number,
): Float32Array {
  if (x === undefined || y === undefined || x.length !== y.length)
    return new Float32Array(C).fill(1);
  const [products, squares] = [new Float64Array(C), new Float64Array(C)];
  for (let row = 0; row < x.length; row += C) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x[row + c] * x[row + c];
    const inverse = 1 / Math.sqrt(sum / C + eps);
    for (let c = 0; c < C; c++) {
      const normalized = x[row + c] * inverse;
      products[c] += y[row + c] * normalized;
      squares[c] += normalized * normalized;
    }
  }
  return Float32Array.from(products, (product, c) => (squares[c] === 0 ? 1 : product / squares[c]));
}
