/** A checkpoint as the tensors of a GGUF file: `W_pack` split into queries, keys and values, the
 *  rows of the first two in llama.cpp's order, everything read and converted in row blocks. Norms
 *  are float32, as its converter has them. */
import { BaichuanError, quote } from '../../errors.ts';
import type { ByteSink } from '../byte-source.ts';
import type { Checkpoint, StoredTensor } from '../checkpoint.ts';
import {
  baichuanMetadata,
  GENERATION_CONFIG,
  type GgufVocabulary,
  type ModelSizes,
  NORM_TYPE,
} from './baichuan-metadata.ts';
import { decodeRows } from './decode-rows.ts';
import { encodeRows } from './encode-rows.ts';
import { rowByteLength, type WritableType } from './ggml-types.ts';
import { ALIBI_LAYERS } from './model-config.ts';
import { FINAL_NORM, HEAD, layerNames, type NamePair, packedNames, TABLE } from './names.ts';
import { convertedRows, interleavedHeads, type RowSource, rowBlocks, slicedRows } from './rows.ts';
import type { GgufMetadata } from './values.ts';
import { type GgufTensorToWrite, ggufFileBytes, writeGguf } from './writer.ts';

/** Bytes of rows read at once. */
const BLOCK_BYTES = 4 * 2 ** 20;

/** A model to be written. */
export interface GgufModel {
  /** With the names and shapes of the published checkpoint. */
  readonly checkpoint: Pick<Checkpoint, 'tensors'>;
  readonly sizes: ModelSizes;
  readonly vocabulary: GgufVocabulary;
  /** Shown by readers. */
  readonly name: string;
  /** The text of generation_config.json, where the model has one. */
  readonly generationConfig?: string | undefined;
}

export interface GgufExportOptions {
  /** Type of the matrices of the layers; each as the checkpoint has it unless told. */
  readonly type?: WritableType | undefined;
  /** Type of the embedding and of the head; as `type` unless told. */
  readonly outerType?: WritableType | undefined;
}

/** A file whose head is known. */
export interface GgufPlan {
  readonly metadata: GgufMetadata;
  readonly tensors: readonly GgufTensorToWrite[];
  readonly totalBytes: number;
}

/** Writes a model as a GGUF file.
 *  @throws gguf-architecture, model-missing, model-dtype, gguf-finite, model-overflow,
 *  shape-mismatch, and what checkpoint and sink throw */
export async function exportGguf(
  sink: ByteSink,
  model: GgufModel,
  options: GgufExportOptions,
): Promise<void> {
  await writePlannedGguf(sink, planGguf(model, options));
}

/** Lays out a file; nothing of the weights is read.
 *  @throws gguf-architecture, model-missing, model-dtype, shape-mismatch */
export function planGguf(model: GgufModel, options: GgufExportOptions): GgufPlan {
  const { sizes, vocabulary, name } = model;
  expectPositions(sizes);
  const tensors = ggufTensors(model, options);
  const matrix = tensors.find(({ name }) => name === layerNames(0)[1].gguf);
  const metadata = baichuanMetadata(sizes, vocabulary, options.type ?? matrix?.type ?? 'F32', name);
  const norms = normType(model);
  if (norms !== undefined) metadata.set(NORM_TYPE, { type: 'string', value: norms });
  const value = model.generationConfig;
  if (value !== undefined) metadata.set(GENERATION_CONFIG, { type: 'string', value });
  return { metadata, tensors, totalBytes: ggufFileBytes(metadata, tensors) };
}

/** Writes a file that was laid out.
 *  @throws model-dtype, gguf-finite, model-overflow, shape-mismatch, and what checkpoint and sink
 *  throw */
export async function writePlannedGguf(sink: ByteSink, plan: GgufPlan): Promise<void> {
  await writeGguf(sink, plan.metadata, plan.tensors);
}

/** The type that all norms of a checkpoint have, where it is not that of the file. */
function normType({ checkpoint, sizes }: GgufModel): string | undefined {
  const layers = Array.from({ length: sizes.numHiddenLayers }, (_, layer) => layerNames(layer));
  const names = [FINAL_NORM, ...layers.flat()].map((pair) => pair.checkpoint);
  const norms = names.flatMap((name) => checkpoint.tensors.get(name) ?? []);
  const types = new Set(norms.filter(({ shape }) => shape.length === 1).map(({ dtype }) => dtype));
  const [type] = types;
  return types.size === 1 && type !== 'F32' ? type : undefined;
}

/** Refuses a model that every reader would take for the other one: only 40 layers have ALiBi. */
function expectPositions({ numHiddenLayers, position, headDim }: ModelSizes): void {
  const fail = (what: string): BaichuanError => {
    const fix = 'Write this model as safetensors.';
    return new BaichuanError('gguf-architecture', { where: 'baichuan.block_count', what, fix });
  };
  const implied = numHiddenLayers === ALIBI_LAYERS ? 'alibi' : 'rope';
  if (implied !== position) {
    const rule = `GGUF readers take ${numHiddenLayers} layers for a model with ${implied}`;
    throw fail(`${rule}, but this one has ${position}.`);
  }
  if (headDim % 2 !== 0) throw fail(`heads of ${headDim} have no halves to interleave.`);
}

/** The tensors of a model in the order of execution; nothing is read before their turn.
 *  @throws model-missing, model-dtype */
export function ggufTensors(model: GgufModel, options: GgufExportOptions): GgufTensorToWrite[] {
  const { numHiddenLayers, headDim, hiddenSize: C } = model.sizes;
  const { type, outerType = type } = options;
  const list: GgufTensorToWrite[] = [];
  const add = (name: string, source: Source, target: WritableType | undefined) =>
    list.push(tensorToWrite(name, source, target ?? source.dtype));
  const plain = (names: NamePair, target: WritableType | undefined) => {
    const source = sourceOf(model, names.checkpoint);
    add(names.gguf, source, source.isVector ? 'F32' : target);
  };
  plain(TABLE, outerType);
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const { query, key, value, checkpoint } = packedNames(layer);
    const packed = sourceOf(model, checkpoint);
    const part = (index: number) => slicedRows(packed.rows, index * C, (index + 1) * C);
    add(query, { ...packed, rows: interleavedHeads(part(0), headDim) }, type);
    add(key, { ...packed, rows: interleavedHeads(part(1), headDim) }, type);
    add(value, { ...packed, rows: part(2) }, type);
    for (const names of layerNames(layer)) plain(names, type);
  }
  plain(FINAL_NORM, type);
  plain(HEAD, outerType);
  return list;
}

/** The rows of a tensor of the checkpoint, and how they are stored. */
interface Source {
  readonly stored: StoredTensor;
  readonly dtype: WritableType;
  readonly columns: number;
  readonly isVector: boolean;
  readonly rows: RowSource;
}

function sourceOf({ checkpoint }: GgufModel, name: string): Source {
  const stored = checkpoint.tensors.get(name);
  if (stored === undefined) {
    throw new BaichuanError('model-missing', {
      where: name,
      what: 'this parameter is not in the checkpoint.',
      fix: 'Download every shard of the model.',
    });
  }
  const { dtype, shape } = stored;
  if (!isWritable(dtype)) {
    throw new BaichuanError('model-dtype', {
      file: stored.file,
      where: quote(name),
      what: `weights of type ${dtype} are not written to GGUF.`,
      fix: 'Convert the checkpoint to F32, F16 or BF16.',
    });
  }
  const columns = shape.at(-1) ?? 1;
  const rowBytes = rowByteLength(dtype, columns);
  const rowCount = shape.slice(0, -1).reduce((total, size) => total * size, 1);
  const read = (begin: number, end: number) =>
    stored.read(begin * rowBytes, (end - begin) * rowBytes);
  const isVector = shape.length === 1;
  return { stored, dtype, columns, isVector, rows: { rowCount, rowBytes, read } };
}

function isWritable(dtype: StoredTensor['dtype']): dtype is WritableType {
  return ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0'].includes(dtype);
}

function tensorToWrite(name: string, source: Source, type: WritableType): GgufTensorToWrite {
  const { columns, dtype, rows, stored, isVector } = source;
  const shape = isVector ? [columns] : [rows.rowCount, columns];
  const convert = (bytes: Uint8Array): Uint8Array => {
    const values = decodeRows(dtype, bytes);
    if (type === 'Q8_0' || type === 'Q4_0') expectFinite(values, stored, type);
    return encodeRows(type, values);
  };
  const target = type === dtype ? rows : convertedRows(rows, rowByteLength(type, columns), convert);
  return { name, type, shape, chunks: rowBlocks(target, BLOCK_BYTES) };
}

/** A block has no room for what is no number. */
function expectFinite(values: Float32Array, stored: StoredTensor, type: WritableType): void {
  const found = values.find((value) => !Number.isFinite(value));
  if (found === undefined) return;
  throw new BaichuanError('gguf-finite', {
    file: stored.file,
    where: quote(stored.name),
    what: `a weight is ${found}, which ${type} cannot hold.`,
    fix: 'Write this model as F32, F16 or BF16.',
    found: String(found),
  });
}
