/** Opens a trace: safetensors whose tensors are activations by module path. Headers are read and
 *  checked here, numbers tensor by tensor when they are wanted.
 *
 *  What it takes:
 *   - names as in `src/model/trace-points.ts`; `model.layers.0.mlp` means `….mlp.output`, `logits`
 *     and `lm_head.output` stand for each other, prefixes `module.` and `_orig_mod.` are left out
 *   - any subset of them, and tensors of other names, which are ignored
 *   - F64, F32, F16, BF16, and integers for `input_ids`
 *   - a leading batch axis, as PyTorch's hooks give it
 *   - metadata, all optional: `class` (f32, f16, bf16, int8, int4), `config` (the text of
 *     config.json), `fingerprint` of the model, `prompt_ids` (JSON), `architecture`, `producer`,
 *     `version`, `runtime` */

import { BaichuanError, quote } from '../errors.ts';
import type { ByteSource } from '../formats/byte-source.ts';
import {
  type Checkpoint,
  type ElementType,
  STORED_TYPE_BYTES,
  type StoredTensor,
} from '../formats/checkpoint.ts';
import { openSafetensors } from '../formats/safetensors.ts';
import { widenBf16, widenF16 } from '../kernels/reference/widen.ts';
import { type TraceKind, traceName, tracePlace, tracePoint } from '../model/trace-points.ts';
import { elementCount } from '../tensor/tensor.ts';
import type { Numbers } from '../verify/statistics.ts';

/** One tensor of a trace. */
export interface TraceEntry {
  /** The canonical name. */
  readonly name: string;
  readonly kind: TraceKind | undefined;
  readonly layer: number;
  /** Rows of a batch; 1 without a batch axis. */
  readonly batch: number;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  /** Reads elements of the whole tensor, batch included, row-major. */
  read(start: number, count: number): Promise<Numbers>;
}

export interface TraceSource {
  readonly name: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly entries: ReadonlyMap<string, TraceEntry>;
  close(): Promise<void>;
}

const FLOATS = new Set(['F64', 'F32', 'F16', 'BF16']);
const INTEGERS = new Set(['I64', 'I32', 'I16', 'I8', 'U8']);
const MAX_RANK = 4;
const TAKEN_TYPES = 'Record activations as F32, F64, F16 or BF16, and input_ids as I64.';

/** Whether elements stand alone, not in blocks. */
function isElementType(dtype: StoredTensor['dtype']): dtype is ElementType {
  return dtype in STORED_TYPE_BYTES;
}

/** Opens a trace. @param source is closed with the trace, or when opening fails
 *  @throws safetensors-…, json-…, io-…, trace-empty, trace-tensor */
export async function openTrace(source: ByteSource): Promise<TraceSource> {
  const checkpoint = await openSafetensors(source);
  try {
    const entries = entriesOf(checkpoint);
    if (![...entries.values()].some(({ kind }) => kind !== undefined)) {
      throw new BaichuanError('trace-empty', {
        file: source.name,
        what: 'No tensor in it has the name of an activation, such as model.layers.0.output.',
        fix: 'Record the activations by module path; the README has a snippet for PyTorch.',
      });
    }
    const { metadata } = checkpoint;
    return { name: source.name, metadata, entries, close: () => checkpoint.close() };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

function entriesOf(checkpoint: Checkpoint): Map<string, TraceEntry> {
  const entries = new Map<string, TraceEntry>();
  for (const stored of checkpoint.tensors.values()) {
    const entry = entryOf(stored);
    // The exact spelling wins over another one of the same point.
    if (!entries.has(entry.name) || entry.name === stored.name) entries.set(entry.name, entry);
  }
  return entries;
}

function entryOf(stored: StoredTensor): TraceEntry {
  const name = canonicalName(stored.name);
  const place = tracePlace(name);
  if (place === undefined) {
    return { name, kind: undefined, layer: 0, batch: 1, shape: stored.shape, read: reader(stored) };
  }
  const { axes } = tracePoint(place.kind);
  expectNumbers(stored, place.kind);
  const extra = stored.shape.length - axes.length;
  if (stored.shape.length > MAX_RANK || extra < 0 || extra > 1) {
    throw wrongTensor(
      stored,
      `has the shape [${stored.shape.join(', ')}], where [${axes.join(', ')}] belongs`,
      'Record it with these axes; a batch axis in front is allowed.',
    );
  }
  const [batch, shape] =
    extra === 1 ? [stored.shape[0], stored.shape.slice(1)] : [1, [...stored.shape]];
  const read = place.kind === 'scores' ? withMasks(reader(stored)) : reader(stored);
  return { name, kind: place.kind, layer: place.layer, batch, shape, read };
}

/** The name in the published model of what a file calls `name`. */
function canonicalName(name: string): string {
  const bare = name.replace(/^(?:module\.|_orig_mod\.){1,4}/, '');
  if (tracePlace(bare) !== undefined) return bare;
  const output = `${bare}.output`;
  return tracePlace(output) === undefined ? bare : output;
}

function expectNumbers(stored: StoredTensor, kind: TraceKind): void {
  if (FLOATS.has(stored.dtype) || (kind === 'inputIds' && INTEGERS.has(stored.dtype))) return;
  throw wrongTensor(stored, `is stored as ${stored.dtype}`, TAKEN_TYPES);
}

function wrongTensor({ name, file }: StoredTensor, what: string, fix: string): BaichuanError {
  return new BaichuanError('trace-tensor', {
    file,
    where: `tensor ${quote(name)}`,
    what: `It ${what}.`,
    fix,
  });
}

/** The lowest float16, which the published code masks scores with in that type. */
const FLOAT16_MASK = -65504;

/** Scores whose float16 masks became −∞, which no score is, in whatever type they were stored. */
function withMasks(read: TraceEntry['read']): TraceEntry['read'] {
  return async (start, count) => {
    const scores = await read(start, count);
    if (!scores.includes(FLOAT16_MASK)) return scores;
    return scores.map((score) => (score === FLOAT16_MASK ? Number.NEGATIVE_INFINITY : score));
  };
}

function reader(stored: StoredTensor): TraceEntry['read'] {
  const { dtype } = stored;
  if (!isElementType(dtype)) throw wrongTensor(stored, `is stored as ${dtype}`, TAKEN_TYPES);
  const elementBytes = STORED_TYPE_BYTES[dtype];
  return async (start, count) => {
    const bytes = await stored.read(start * elementBytes, count * elementBytes);
    return numbersOf(dtype, bytes, count);
  };
}

/** Stored elements as numbers. Files are little-endian, as every machine with WebAssembly is. */
export function numbersOf(dtype: StoredTensor['dtype'], bytes: Uint8Array, count: number): Numbers {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  if (dtype === 'F32') return new Float32Array(buffer, byteOffset, count);
  if (dtype === 'F64') return new Float64Array(buffer, byteOffset, count);
  if (dtype === 'F16' || dtype === 'BF16') {
    const numbers = new Float32Array(count);
    const halves = new Uint16Array(buffer, byteOffset, count);
    if (dtype === 'F16') widenF16(numbers, halves, count);
    else widenBf16(numbers, halves, count);
    return numbers;
  }
  if (dtype === 'I64')
    return Float64Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
  if (dtype === 'I32') return Float64Array.from(new Int32Array(buffer, byteOffset, count));
  if (dtype === 'I16') return Float64Array.from(new Int16Array(buffer, byteOffset, count));
  if (dtype === 'I8') return Float64Array.from(new Int8Array(buffer, byteOffset, count));
  return Float64Array.from(aligned);
}

/** The tensor of a name; `logits` and the head's output stand for each other. */
export function findEntry(trace: TraceSource, name: string): TraceEntry | undefined {
  const [head, logits] = [traceName('lmHead'), traceName('logits')];
  const other = new Map([
    [head, logits],
    [logits, head],
  ]).get(name);
  return trace.entries.get(name) ?? (other === undefined ? other : trace.entries.get(other));
}

/** All elements of one row of a batch. */
export async function readRow(entry: TraceEntry, row = 0): Promise<Numbers> {
  const count = elementCount(entry.shape);
  return entry.read(row * count, count);
}
