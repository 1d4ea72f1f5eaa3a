/** The model that a trace is judged by, stage by stage: the weights of one layer at a time, read
 *  from a checkpoint when its turn comes, so that memory holds one layer or the head. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import type { Checkpoint, StoredTensor } from '../formats/checkpoint.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { TracePlace } from '../model/trace-points.ts';
import {
  type BaichuanWeights,
  createWeights,
  type ParameterInfo,
  parameterTable,
} from '../model/weights.ts';
import { readFileBlocks } from '../tensor/file-blocks.ts';
import { dequantize } from '../tensor/quantized.ts';
import { elementCount, float32, type Tensor, tensorOf } from '../tensor/tensor.ts';
import { createOracleKernels } from './oracle-kernels.ts';
import { PUBLISHED_ATTENTION, type ReferenceSetup, type Stage } from './stage.ts';
import { numbersOf } from './trace-source.ts';

export interface ReferenceModel {
  readonly config: BaichuanConfig;
  /** What a stage of it computes with. */
  setup(stage: Stage, ids: readonly number[]): Promise<ReferenceSetup>;
  /** Whether what it computes at a point says something about the backend. */
  judges(place: TracePlace): boolean;
}

/** The largest embedding table that is read beside the head, to try it as a tied one. */
const MAX_TIED_ELEMENTS = 64 * 2 ** 20;

/** A model whose weights come from a checkpoint. */
export function checkpointModel(config: BaichuanConfig, checkpoint: Checkpoint): ReferenceModel {
  return {
    config,
    judges: () => true,
    async setup(stage, ids) {
      const kernels = createOracleKernels();
      const isNeeded = ({ role, place, shape }: ParameterInfo) =>
        role === 'embedding'
          ? stage === 'head' && elementCount(shape) <= MAX_TIED_ELEMENTS
          : (place === 0 && typeof stage === 'number') || place === stage;
      const read = async (name: string, info: ParameterInfo) =>
        isNeeded(info) ? readWhole(checkpoint, nameInStage(name, stage)) : undefined;
      const stageConfig = configOfStage(config, stage);
      const weights = await fillStage(stageConfig, kernels, read);
      const rows = stage === 'embedding' ? await readRows(checkpoint, config, ids) : new Map();
      const embedding = (tokens: readonly number[]) => gather(tokens, rows, config.hiddenSize);
      return {
        ...{ config: stageConfig, weights, ids, attention: PUBLISHED_ATTENTION },
        kernels: { ...kernels, embedding },
      };
    },
  };
}

/** The configuration of a stage: of a layer alone, or of none. */
export function configOfStage(config: BaichuanConfig, stage: Stage): BaichuanConfig {
  return { ...config, numHiddenLayers: typeof stage === 'number' ? 1 : 0 };
}

/** The weights of a stage, with what `read` gives for each of them. */
export async function fillStage(
  config: BaichuanConfig,
  kernels: Kernels,
  read: (name: string, info: ParameterInfo) => Promise<Float32Array | undefined>,
): Promise<BaichuanWeights> {
  const unfilled = createWeights(config, kernels, () => 'f32');
  for (const [name, info] of parameterTable(config)) {
    const floats = await read(name, info);
    if (floats === undefined) continue;
    const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
    unfilled.write(name, 0, { dtype: 'F32', bytes });
  }
  return unfilled.weights;
}

const FIRST_LAYER = /^(model\.layers\.)0\./;

/** The only layer of a stage is the first of its own configuration. */
function nameInStage(name: string, stage: Stage): string {
  return typeof stage === 'number' ? name.replace(FIRST_LAYER, `$1${stage}.`) : name;
}

/** Elements that are widened at once. */
const BLOCK = 2 ** 21;

/** All numbers of a parameter. It comes in blocks, as its bytes beside its float32 would take half
 *  as much memory again. */
async function readWhole(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const stored = storedOf(checkpoint, name);
  const [rows, columns = 1] = stored.shape;
  const whole = new Float32Array(rows * columns);
  const step = Math.max(1, Math.floor(BLOCK / Math.max(1, columns)));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    whole.set(await readFloats(stored, count, row), row * columns);
  }
  return whole;
}

/** Rows of the embedding table: those of the prompt and their neighbours. */
async function readRows(
  checkpoint: Checkpoint,
  config: BaichuanConfig,
  ids: readonly number[],
): Promise<Map<number, Float32Array>> {
  const { vocabSize: V } = config;
  const [name] = parameterTable(config).keys();
  const stored = storedOf(checkpoint, name);
  const rows = new Map<number, Float32Array>();
  for (const id of new Set(ids.flatMap((id) => [id, (id + 1) % V, (id + V - 1) % V]))) {
    rows.set(id, await readFloats(stored, 1, id));
  }
  return rows;
}

/** A parameter of a checkpoint. @throws model-missing */
export function storedOf(checkpoint: Checkpoint, name: string): StoredTensor {
  const stored = checkpoint.tensors.get(name);
  if (stored !== undefined) return stored;
  throw new BaichuanError('model-missing', {
    where: name,
    what: 'The checkpoint lacks this parameter.',
    fix: 'Use the config.json that came with these weights, and download every shard.',
  });
}

/** Rows of a stored matrix, or elements of a stored vector, as float32.
 *  @param count how many @param row the first */
export async function readFloats(
  stored: StoredTensor,
  count: number,
  row = 0,
): Promise<Float32Array> {
  const { dtype, shape, byteLength, channelScales } = stored;
  const rowBytes = byteLength / shape[0];
  const bytes = await stored.read(row * rowBytes, count * rowBytes);
  const columns = shape[1] ?? 1;
  const size = [count, columns] as const;
  if (dtype === 'Q8_0' || dtype === 'Q4_0') {
    const type = dtype === 'Q8_0' ? 'int8' : 'int4';
    return dequantize({ type, shape: size, ...readFileBlocks(dtype, bytes, columns) });
  }
  if ((dtype === 'I8' || dtype === 'I4') && channelScales !== undefined) {
    const values = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    const scales = await readFloats(channelScales, count, row);
    return dequantize({
      type: `int${dtype === 'I8' ? 8 : 4}-channel`,
      shape: size,
      values,
      scales,
    });
  }
  const numbers = numbersOf(dtype, bytes, count * columns);
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
}

function gather(
  ids: readonly number[],
  rows: ReadonlyMap<number, Float32Array>,
  C: number,
): Tensor {
  const y = tensorOf(new Float32Array(ids.length * C), [ids.length, C]);
  ids.forEach((id, t) => {
    float32(y).set(rows.get(id) ?? new Float32Array(C), t * C);
  });
  return y;
}
