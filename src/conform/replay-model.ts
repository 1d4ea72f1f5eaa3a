/** The model that a trace is judged by where there is no checkpoint: EXPECTED takes the place of
 *  the weights. Linear layers and the embedding answer with what EXPECTED recorded, which is right
 *  as long as their inputs agree; weights of norms follow from their recorded inputs and outputs,
 *
 *      w[c] = Σ_t y[t, c] · n[t, c] / Σ_t n[t, c]²,   n = x / √(mean(x²) + eps)
 *
 *  and everything else (positions, scores, softmax, gate, residuals) needs no weights at all. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels, LinearWeight } from '../kernels/kernels.ts';
import { createReferenceKernels } from '../kernels/reference/index.ts';
import { type TraceKind, traceInputs, traceName, tracePlace } from '../model/trace-points.ts';
import { type BaichuanWeights, loadWeights } from '../model/weights.ts';
import { Arena } from '../tensor/arena.ts';
import { createTensor, float32, type Tensor, tensorOf } from '../tensor/tensor.ts';
import type { TensorVerdict } from './compare-traces.ts';
import type { ReferenceModel } from './reference-model.ts';
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
      const arena = new Arena();
      const layer = typeof stage === 'number' ? stage : 0;
      const recordings = new Map<TraceKind, Float32Array>();
      for (const kind of [...REPLAYED, ...NORMS, 'layer', 'attention'] as const) {
        const values = isOf(kind, stage) ? await read(kind, layer) : undefined;
        if (values !== undefined) recordings.set(kind, values);
      }
      const last = config.numHiddenLayers - 1;
      const beforeLayer = await (layer === 0 ? read('embedding', 0) : read('layer', layer - 1));
      const input = stage === 'head' ? await read('layer', last) : beforeLayer;
      const stageConfig = { ...config, numHiddenLayers: typeof stage === 'number' ? 1 : 0 };
      const kernels = replayKernels(arena, recordings, ids.length);
      const weights = await replayWeights(stageConfig, kernels, { recordings, input });
      const setup = { config: stageConfig, weights, arena, kernels, ids };
      return { ...setup, attention: PUBLISHED_ATTENTION };
    },
  };
}

function isOf(kind: TraceKind, stage: Stage): boolean {
  const isLast = kind === 'finalNorm' || kind === 'lmHead';
  if (stage === 'embedding') return kind === 'embedding';
  return (stage === 'head') === isLast && kind !== 'embedding';
}

function replayKernels(
  arena: Arena,
  recordings: ReadonlyMap<TraceKind, Float32Array>,
  T: number,
): Kernels {
  const kernels = createReferenceKernels(arena);
  const replay = (kind: TraceKind, width: number) => {
    const y = createTensor([T, width]);
    const values = recordings.get(kind);
    if (values?.length === T * width) float32(y).set(values);
    return y;
  };
  return {
    ...kernels,
    embedding: (_ids, table) => replay('embedding', table.shape[1]),
    pack: (path, { shape: [outFeatures, inFeatures] }): ReplayedWeight => {
      const kind = tracePlace(`${path}.output`)?.kind ?? 'lmHead';
      return { path, outFeatures, inFeatures, kind };
    },
    linear: (_x, weight) => replay((weight as ReplayedWeight).kind, weight.outFeatures),
  };
}

async function replayWeights(
  config: BaichuanConfig,
  kernels: Kernels,
  from: {
    readonly recordings: ReadonlyMap<TraceKind, Float32Array>;
    readonly input: Float32Array | undefined;
  },
): Promise<BaichuanWeights> {
  const { hiddenSize: C, rmsNormEps } = config;
  const { recordings, input } = from;
  const attention = recordings.get('attention');
  const middle = input && attention && input.map((x, i) => Math.fround(x + attention[i]));
  const inputs = { inputNorm: input, postNorm: middle, finalNorm: input };
  return loadWeights(config, kernels, async (name) => {
    const kind = tracePlace(name.replace(/\.[a-z]+$/, '.output'))?.kind;
    const norm = NORMS.find((candidate) => candidate === kind);
    if (norm === undefined) return shapeOnly(name, config);
    const weight = estimateNorm(inputs[norm], recordings.get(norm), C, rmsNormEps);
    return tensorOf(weight, [C]);
  });
}

/** A weight that is only a shape: what answers for it knows its own numbers. */
function shapeOnly(name: string, config: BaichuanConfig): Tensor {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V } = config;
  const kind = tracePlace(name.replace(/\.[a-z]+$/, '.output'))?.kind;
  const shapes: Partial<Record<TraceKind, [number, number]>> = {
    wPack: [3 * C, C],
    oProj: [C, C],
    gate: [F, C],
    up: [F, C],
    down: [C, F],
  };
  const shape = shapes[kind ?? 'lmHead'] ?? [V, C];
  return { dtype: 'F32', shape, memory: { buffer: new ArrayBuffer(0) }, byteOffset: 0 };
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
