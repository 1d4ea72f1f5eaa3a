/** Writes a GGUF file of version 3, little-endian, piece by piece: metadata, names, types and
 *  shapes are known first, the data is streamed, so that a file of any size needs the memory of one
 *  piece.
 *
 *      "GGUF" | u32 3 | u64 tensors | u64 pairs | pairs | tensor infos | pad | data, each padded
 *      pair  = string key, u32 type, value          string = u64 bytes, UTF-8
 *      info  = string name, u32 axes, u64 sizes with the fastest axis first, u32 type, u64 offset
 *
 *  Source: ggml docs/gguf.md. */
import { BaichuanError, quote } from '../../errors.ts';
import type { ByteSink } from '../byte-source.ts';
import { GGML_TYPES, rowByteLength, type WritableType } from './ggml-types.ts';
import { type GgufMetadata, type GgufValue, VALUE_TYPES, type ValueType } from './values.ts';

/** Data begins, and every tensor in it, at a multiple of this many bytes. */
export const ALIGNMENT = 32;

/** What a header says about a tensor. */
export interface GgufTensorDescription {
  readonly name: string;
  readonly type: WritableType;
  /** Row-major, the last axis contiguous, as everywhere here; 1 to 4 axes. */
  readonly shape: readonly number[];
}

/** A tensor with its data in pieces of any size. */
export interface GgufTensorToWrite extends GgufTensorDescription {
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Bytes that a tensor takes, without padding.
 *  @throws shape-mismatch for a shape that the type or the format cannot hold */
export function ggufByteLength({ name, type, shape }: GgufTensorDescription): number {
  const columns = shape.at(-1) ?? 0;
  const rows = shape.slice(0, -1).reduce((total, size) => total * size, 1);
  const byteLength = rows * rowByteLength(type, columns);
  const valid = shape.every((size) => Number.isSafeInteger(size) && size >= 1 && size <= 2 ** 32);
  const whole = columns % GGML_TYPES[type].blockElements === 0;
  const ranked = shape.length >= 1 && shape.length <= 4;
  if (valid && whole && ranked && Number.isSafeInteger(byteLength)) return byteLength;
  throw new BaichuanError('shape-mismatch', {
    where: `tensor ${quote(name)}`,
    what: `a tensor of type ${type} cannot have the shape [${shape.join(', ')}].`,
    fix: `Give 1 to 4 positive sizes, the last a multiple of ${GGML_TYPES[type].blockElements}.`,
  });
}

/** The beginning of a file, up to the data.
 *  @throws gguf-duplicate, shape-mismatch */
export function ggufHeader(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorDescription[],
): Uint8Array {
  const out = new HeaderBytes();
  out.bytes(Uint8Array.of(0x47, 0x47, 0x55, 0x46));
  out.uint32(3);
  out.uint64(tensors.length);
  out.uint64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, key, value);
  }
  const names = new Set<string>();
  let offset = 0;
  for (const tensor of tensors) {
    expectNewName(names, tensor.name);
    out.string(tensor.name);
    out.uint32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) out.uint64(size);
    out.uint32(GGML_TYPES[tensor.type].id);
    out.uint64(offset);
    offset = aligned(offset + ggufByteLength(tensor));
  }
  out.pad();
  return out.finish();
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function expectNewName(names: Set<string>, name: string): void {
  if (!names.has(name)) {
    names.add(name);
    return;
  }
  throw new BaichuanError('gguf-duplicate', {
    where: `tensor ${quote(name)}`,
    what: 'a tensor of this name is already in the file.',
    fix: 'Give every tensor a name of its own.',
  });
}

function writeValue(out: HeaderBytes, key: string, value: GgufValue): void {
  out.uint32(VALUE_TYPES.indexOf(value.type));
  if (value.type === 'string') out.string(value.value);
  else if (value.type === 'bool') out.bytes(Uint8Array.of(value.value ? 1 : 0));
  else if (value.type !== 'array') out.number(value.type, value.value);
  else if (value.of === 'other') throw valueError(key, value.what);
  else {
    out.uint32(VALUE_TYPES.indexOf(value.of));
    if (value.of === 'string') {
      const { count, bytes, starts, ends } = value.items;
      out.uint64(count);
      for (let i = 0; i < count; i++) out.lengthAndBytes(bytes.subarray(starts[i], ends[i]));
    } else {
      out.uint64(value.items.length);
      for (const item of value.items) out.number(value.of, item);
    }
  }
}

function valueError(key: string, what: string): BaichuanError {
  return new BaichuanError('gguf-type', {
    where: quote(key),
    what: `${what} cannot be written.`,
    fix: 'Give a number, a text, or an array of texts, int32, uint32 or float32.',
  });
}

/** Bytes that grow. */
class HeaderBytes {
  private buffer = new Uint8Array(65_536);
  private view = new DataView(this.buffer.buffer);
  private length = 0;

  private take(byteLength: number): number {
    const offset = this.length;
    this.length += byteLength;
    if (this.length > this.buffer.length) {
      const larger = new Uint8Array(2 * this.length);
      larger.set(this.buffer);
      this.buffer = larger;
      this.view = new DataView(larger.buffer);
    }
    return offset;
  }

  bytes(bytes: Uint8Array): void {
    const offset = this.take(bytes.length);
    this.buffer.set(bytes, offset);
  }

  uint32(value: number): void {
    this.number('uint32', value);
  }

  uint64(value: number): void {
    this.number('uint64', value);
  }

  string(text: string): void {
    this.lengthAndBytes(new TextEncoder().encode(text));
  }

  lengthAndBytes(bytes: Uint8Array): void {
    this.uint64(bytes.length);
    this.bytes(bytes);
  }

  number(type: ValueType, value: number | bigint): void {
    const [byteLength, set] = SETTERS[type] ?? [0, () => {}];
    const offset = this.take(byteLength);
    set(this.view, offset, value);
  }

  pad(): void {
    this.bytes(new Uint8Array(aligned(this.length) - this.length));
  }

  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

type Setter = (view: DataView, offset: number, value: number | bigint) => void;

const SETTERS: Partial<Record<ValueType, readonly [byteLength: number, set: Setter]>> = {
  uint8: [1, (view, offset, value) => view.setUint8(offset, Number(value))],
  int8: [1, (view, offset, value) => view.setInt8(offset, Number(value))],
  uint16: [2, (view, offset, value) => view.setUint16(offset, Number(value), true)],
  int16: [2, (view, offset, value) => view.setInt16(offset, Number(value), true)],
  uint32: [4, (view, offset, value) => view.setUint32(offset, Number(value), true)],
  int32: [4, (view, offset, value) => view.setInt32(offset, Number(value), true)],
  float32: [4, (view, offset, value) => view.setFloat32(offset, Number(value), true)],
  uint64: [8, (view, offset, value) => view.setBigUint64(offset, BigInt(value), true)],
  int64: [8, (view, offset, value) => view.setBigInt64(offset, BigInt(value), true)],
  float64: [8, (view, offset, value) => view.setFloat64(offset, Number(value), true)],
};

/** Bytes of a whole file. @throws gguf-duplicate, gguf-type, shape-mismatch */
export function ggufFileBytes(
  metadata: GgufMetadata,
  tensors: readonly GgufTensorDescription[],
): number {
  const header = ggufHeader(metadata, tensors).length;
  return tensors.reduce((sum, tensor) => sum + aligned(ggufByteLength(tensor)), header);
}

/** Writes a whole GGUF file.
 *  @param tensors their data is asked for only when it is their turn
 *  @throws gguf-duplicate, gguf-type, shape-mismatch, and what the sink throws */
export async function writeGguf(
  sink: ByteSink,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
): Promise<void> {
  await sink.write(ggufHeader(metadata, tensors));
  for (const tensor of tensors) {
    const byteLength = ggufByteLength(tensor);
    let written = 0;
    for await (const chunk of tensor.chunks) {
      written += chunk.length;
      if (written > byteLength) break;
      await sink.write(chunk);
    }
    if (written !== byteLength) throw sizeError(tensor, byteLength, written);
    const padding = aligned(byteLength) - byteLength;
    if (padding > 0) await sink.write(new Uint8Array(padding));
  }
}

function sizeError(tensor: GgufTensorDescription, expected: number, found: number): BaichuanError {
  return new BaichuanError('shape-mismatch', {
    where: `tensor ${quote(tensor.name)}`,
    what: `${found} bytes or more were given, where ${expected} are needed.`,
    fix: 'Give all bytes of each tensor, and no others.',
    expected,
    found,
  });
}
