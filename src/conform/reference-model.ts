/** The model that a trace is judged by, stage by stage: the weights of one layer at a time, read
 *  from a checkpoint when its turn comes, so that memory holds one layer or the head. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import type { Checkpoint, StoredTensor } from '../formats/checkpoint.ts';
import { createReferenceKernels } from '../kernels/reference/index.ts';
import type { TracePlace } from '../model/trace-points.ts';
import { loadWeights, parameterShapes } from '../model/weights.ts';
import { Arena } from '../tensor/arena.ts';
import { elementCount, float32, type Tensor, tensorOf } from '../tensor/tensor.ts';
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
  const shapes = parameterShapes(config);
  return {
    config,
    judges: () => true,
    async setup(stage, ids) {
      const arena = new Arena();
      const kernels = createReferenceKernels(arena);
      const layers = typeof stage === 'number' ? 1 : 0;
      const stageConfig = { ...config, numHiddenLayers: layers };
      const embedded = new Map<number, Float32Array>();
      if (stage === 'embedding') await readRows(checkpoint, config, ids, embedded);
      const weights = await loadWeights(stageConfig, kernels, async (name) => {
        const moved = typeof stage === 'number' ? name.replace(FIRST_LAYER, `$1${stage}.`) : name;
        if (!isNeeded(name, stage, config)) return absent(shapes.get(name) ?? []);
        return readTensor(checkpoint, moved);
      });
      const embedding = (tokens: readonly number[]) => gather(tokens, embedded, config.hiddenSize);
      return {
        config: stageConfig,
        weights,
        arena,
        kernels: { ...kernels, embedding },
        attention: PUBLISHED_ATTENTION,
        ids,
      };
    },
  };
}

const FIRST_LAYER = /^(model\.layers\.)0\./;
const EMBEDDING = /embed_tokens/;

function isNeeded(name: string, stage: Stage, config: BaichuanConfig): boolean {
  if (EMBEDDING.test(name)) {
    return stage === 'head' && config.vocabSize * config.hiddenSize <= MAX_TIED_ELEMENTS;
  }
  return FIRST_LAYER.test(name) ? typeof stage === 'number' : stage === 'head';
}

/** A tensor of a shape without memory, for what a stage does not use. */
function absent(shape: readonly number[]): Tensor {
  return { dtype: 'F32', shape, memory: { buffer: new ArrayBuffer(0) }, byteOffset: 0 };
}

/** Whether a weight was read. */
export function isPresent(tensor: Tensor): boolean {
  return tensor.memory.buffer.byteLength > 0;
}

async function readTensor(checkpoint: Checkpoint, name: string): Promise<Tensor> {
  const stored = storedOf(checkpoint, name);
  const bytes = await stored.read(0, stored.byteLength);
  return tensorOf(asFloat32(stored, bytes, elementCount(stored.shape)), stored.shape);
}

/** Rows of the embedding table: those of the prompt and their neighbours. */
async function readRows(
  checkpoint: Checkpoint,
  config: BaichuanConfig,
  ids: readonly number[],
  rows: Map<number, Float32Array>,
): Promise<void> {
  const { hiddenSize: C, vocabSize: V } = config;
  const [name] = parameterShapes(config).keys();
  const stored = storedOf(checkpoint, name);
  const rowBytes = stored.byteLength / V;
  for (const id of new Set(ids.flatMap((id) => [id, (id + 1) % V, (id + V - 1) % V]))) {
    rows.set(id, asFloat32(stored, await stored.read(id * rowBytes, rowBytes), C));
  }
}

function storedOf(checkpoint: Checkpoint, name: string): StoredTensor {
  const stored = checkpoint.tensors.get(name);
  if (stored !== undefined) return stored;
  throw new BaichuanError('model-missing', {
    where: name,
    what: 'The checkpoint lacks this parameter.',
    fix: 'Use the config.json that came with these weights, and download every shard.',
  });
}

function asFloat32({ dtype }: StoredTensor, bytes: Uint8Array, count: number): Float32Array {
  const numbers = numbersOf(dtype, bytes, count);
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
