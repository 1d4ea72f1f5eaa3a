/** The tensors of a GGUF file under the names and in the shapes of the published checkpoint.
 *  `W_pack` is put together from queries, keys and values when it is read, with the rows of the
 *  first two in the published order. F32, F16, BF16, Q8_0 and Q4_0 stay as they are stored; any
 *  other type, and types that differ within `W_pack`, are read as F32. */
import { BaichuanError, quote } from '../../errors.ts';
import type { StoredTensor } from '../checkpoint.ts';
import { rowTensor } from '../row-tensor.ts';
import { decodeRows } from './decode-rows.ts';
import { type GgmlTypeName, rowByteLength, type WritableType } from './ggml-types.ts';
import type { PlacedTensor } from './layout.ts';
import { FINAL_NORM, HEAD, LAYER_TENSOR, layerNames, packedNames, TABLE } from './names.ts';
import { convertedRows, halvedHeads, type RowSource, stackedRows } from './rows.ts';

/** A tensor of the file and how its bytes are read. */
export interface GgufTensor {
  readonly tensor: PlacedTensor;
  readonly file: string;
  /** @throws io-… */
  readonly read: (byteOffset: number, byteLength: number) => Promise<Uint8Array>;
}

export interface TensorSizes {
  readonly layers: number;
  readonly heads: number;
  readonly hiddenSize: number;
}

/** Names and shapes of the checkpoint. Tensors that belong to no parameter keep their names.
 *  @throws model-missing, model-shape, gguf-metadata */
export function checkpointTensors(
  tensors: ReadonlyMap<string, GgufTensor>,
  sizes: TensorSizes,
  file: string,
): Map<string, StoredTensor> {
  expectLayers(tensors, sizes.layers, file);
  const named = new Map<string, StoredTensor>();
  const left = new Map(tensors);
  const take = (name: string): GgufTensor => {
    const found = left.get(name);
    if (found === undefined) throw missingError(name, file);
    left.delete(name);
    return found;
  };
  const plain = ({ gguf, checkpoint }: { gguf: string; checkpoint: string }) => {
    named.set(checkpoint, plainTensor(checkpoint, take(gguf)));
  };
  plain(TABLE);
  for (let layer = 0; layer < sizes.layers; layer++) {
    const { query, key, value, checkpoint } = packedNames(layer);
    const parts = [query, key, value].map(take);
    named.set(checkpoint, packedTensor(checkpoint, parts, sizes));
    for (const names of layerNames(layer)) plain(names);
  }
  plain(FINAL_NORM);
  plain(HEAD);
  for (const [name, tensor] of left) {
    if (named.has(name)) throw takenError(name, file);
    named.set(name, plainTensor(name, tensor));
  }
  return named;
}

function takenError(name: string, file: string): BaichuanError {
  return new BaichuanError('gguf-duplicate', {
    file,
    where: `tensor ${quote(name)}`,
    what: 'the file holds this parameter under two names.',
    fix: 'Convert the published checkpoint anew.',
    expected: 1,
    found: 2,
  });
}

/** Refuses more or fewer layers than the metadata says, before any of that many is looked for. */
function expectLayers(tensors: ReadonlyMap<string, GgufTensor>, layers: number, file: string) {
  let found = 0;
  for (const name of tensors.keys()) {
    const layer = LAYER_TENSOR.exec(name)?.[1];
    if (layer !== undefined) found = Math.max(found, Number(layer) + 1);
  }
  if (found === layers) return;
  throw new BaichuanError('gguf-metadata', {
    file,
    where: 'baichuan.block_count',
    what: `the metadata says ${layers} layers, but the tensors are of ${found}.`,
    fix: 'Download every file of the model again, or convert it anew.',
    expected: layers,
    found,
  });
}

function missingError(name: string, file: string): BaichuanError {
  return new BaichuanError('model-missing', {
    file,
    where: name,
    what: 'this tensor is not in the file.',
    fix: 'Download every file of the model, or convert it anew.',
  });
}

function rowsOf({ tensor, read }: GgufTensor): RowSource {
  const { shape, type } = tensor;
  const rowBytes = rowByteLength(type, shape[shape.length - 1]);
  const rowCount = tensor.byteLength / rowBytes;
  return {
    rowCount,
    rowBytes,
    read: (begin, end) => read(begin * rowBytes, (end - begin) * rowBytes),
  };
}

/** The type that a tensor has in a checkpoint. */
function storedType(type: GgmlTypeName): WritableType {
  const isKept = type === 'F16' || type === 'BF16' || type === 'Q8_0' || type === 'Q4_0';
  return isKept ? type : 'F32';
}

function rowsAs(source: GgufTensor, dtype: WritableType): RowSource {
  const { type, shape } = source.tensor;
  const rows = rowsOf(source);
  if (type === dtype) return rows;
  const rowBytes = rowByteLength(dtype, shape[shape.length - 1]);
  return convertedRows(rows, rowBytes, (bytes) => asBytes(decodeRows(type, bytes)));
}

/** Checkpoints are little-endian, and so is every machine that WebAssembly engines run on. */
function asBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function plainTensor(name: string, source: GgufTensor): StoredTensor {
  const dtype = storedType(source.tensor.type);
  const { shape } = source.tensor;
  return rowTensor({ name, dtype, shape, file: source.file }, rowsAs(source, dtype));
}

function packedTensor(
  name: string,
  parts: readonly GgufTensor[],
  { hiddenSize: C, heads }: TensorSizes,
): StoredTensor {
  for (const { tensor, file } of parts) {
    const { shape } = tensor;
    if (shape.length !== 2 || shape[0] !== C || shape[1] !== C) throw shapeError(tensor, C, file);
  }
  const types = new Set(parts.map(({ tensor }) => storedType(tensor.type)));
  const dtype = types.size === 1 ? [...types][0] : 'F32';
  const [query, key, value] = parts.map((part) => rowsAs(part, dtype));
  const headDim = C / heads;
  const rows = stackedRows([halvedHeads(query, headDim), halvedHeads(key, headDim), value]);
  return rowTensor({ name, dtype, shape: [3 * C, C], file: parts[0].file }, rows);
}

function shapeError({ name, shape }: PlacedTensor, C: number, file: string): BaichuanError {
  const [expected, found] = [`[${C}, ${C}]`, `[${shape.join(', ')}]`];
  return new BaichuanError('model-shape', {
    file,
    where: quote(name),
    what: `embedding_length demands the shape ${expected}, but the file has ${found}.`,
    fix: 'Convert the published checkpoint anew.',
    expected,
    found,
  });
}
