/** Writes a safetensors file piece by piece: the names, types and shapes are known first, the data
 *  is streamed, so that a file of any size needs the memory of one piece.
 *
 *  The tensors lie in the file in the order given. Their data is aligned to their elements when the
 *  wider types come first, as the reference writer sorts them; the header is padded to 8 bytes.
 *  Source: https://github.com/huggingface/safetensors, README "Format". */
import { BaichuanError, quote } from '../errors.ts';
import type { ByteSink } from './byte-source.ts';
import { type ElementType, STORED_TYPE_BYTES } from './checkpoint.ts';
import { expectTensorName } from './safetensors-header.ts';

/** What a header says about a tensor. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: ElementType;
  /** Row-major; `[]` is one element. */
  readonly shape: readonly number[];
}

/** A tensor with its data, little-endian, in pieces of any size. */
export interface TensorToWrite extends TensorDescription {
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Takes the data of described tensors in their order. */
export interface SafetensorsWriter {
  /** Writes the next bytes of a tensor. @throws shape-mismatch when it is not its turn, or full */
  append(name: string, bytes: Uint8Array): Promise<void>;
  /** Says that all data is written. @throws shape-mismatch when bytes are missing */
  finish(): Promise<void>;
}

/** Bytes that a tensor takes in a file.
 *  @throws shape-mismatch when a dimension is no size */
export function storedByteLength({ name, dtype, shape }: TensorDescription): number {
  const elements = shape.reduce((total, dim) => total * dim, 1);
  const byteLength = elements * STORED_TYPE_BYTES[dtype];
  const valid = shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0 && dim <= 2 ** 32);
  if (valid && Number.isSafeInteger(byteLength)) return byteLength;
  throw new BaichuanError('shape-mismatch', {
    where: `tensor ${quote(name)}`,
    what: `the shape [${shape.join(', ')}] is none that a file can hold.`,
    fix: 'Give dimensions that are integers from 0 to 4294967296.',
  });
}

/** The beginning of a safetensors file: length, header, and spaces up to a multiple of 8.
 *  @param tensors in the order of their data @param metadata text about the file
 *  @throws safetensors-name, safetensors-duplicate, shape-mismatch */
export function safetensorsHeader(
  tensors: readonly TensorDescription[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const members: string[] = [];
  if (metadata.size > 0) {
    const pairs = [...metadata].map(([key, value]) => member(key, JSON.stringify(value)));
    members.push(member('__metadata__', `{${pairs.join(',')}}`));
  }
  const names = new Set(['__metadata__']);
  let end = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    expectTensorName(name, undefined);
    expectNewName(names, name);
    const begin = end;
    end += storedByteLength(tensor);
    const entry = `{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${begin},${end}]}`;
    members.push(member(name, entry));
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

function member(key: string, json: string): string {
  return `${JSON.stringify(key)}:${json}`;
}

function expectNewName(names: Set<string>, name: string): void {
  if (!names.has(name)) {
    names.add(name);
    return;
  }
  throw new BaichuanError('safetensors-duplicate', {
    where: `tensor ${quote(name)}`,
    what: 'a tensor of this name is already in the file.',
    fix: 'Give every tensor a name of its own.',
  });
}

/** Writes the header, and takes the data as it comes.
 *  @param tensors in the order in which their data will come
 *  @throws safetensors-name, safetensors-duplicate, shape-mismatch, and what the sink throws */
export async function startSafetensors(
  sink: ByteSink,
  tensors: readonly TensorDescription[],
  metadata?: ReadonlyMap<string, string>,
): Promise<SafetensorsWriter> {
  await sink.write(safetensorsHeader(tensors, metadata));
  let index = 0;
  let written = 0;
  /** Moves past tensors that have all their bytes, up to the one named. */
  const advance = (name?: string) => {
    while (index < tensors.length && tensors[index].name !== name) {
      expectComplete(tensors[index], written);
      index += 1;
      written = 0;
    }
  };
  return {
    async append(name, bytes) {
      advance(name);
      const tensor = tensors[index];
      if (tensor === undefined) throw turnError(name);
      const byteLength = storedByteLength(tensor);
      if (written + bytes.length > byteLength) {
        throw sizeError(tensor, byteLength, written + bytes.length);
      }
      written += bytes.length;
      await sink.write(bytes);
    },
    async finish() {
      advance();
    },
  };
}

function expectComplete(tensor: TensorDescription, written: number): void {
  const byteLength = storedByteLength(tensor);
  if (written !== byteLength) throw sizeError(tensor, byteLength, written);
}

function sizeError(tensor: TensorDescription, expected: number, found: number): BaichuanError {
  return new BaichuanError('shape-mismatch', {
    where: `tensor ${quote(tensor.name)}`,
    what: `${found} bytes were given, where [${tensor.shape.join(', ')}] needs ${expected}.`,
    fix: 'Give all bytes of each tensor, in the order of the header.',
    expected,
    found,
  });
}

function turnError(name: string): BaichuanError {
  return new BaichuanError('shape-mismatch', {
    where: `tensor ${quote(name)}`,
    what: 'this tensor is not in the header, or its turn is over.',
    fix: 'Give the data in the order of the header.',
  });
}

/** Writes a whole safetensors file.
 *  @param tensors their data is asked for only when it is their turn
 *  @throws as `startSafetensors` */
export async function writeSafetensors(
  sink: ByteSink,
  tensors: Iterable<TensorToWrite>,
  metadata?: ReadonlyMap<string, string>,
): Promise<void> {
  const list = [...tensors];
  const writer = await startSafetensors(sink, list, metadata);
  for (const { name, chunks } of list) {
    for await (const chunk of chunks) await writer.append(name, chunk);
  }
  await writer.finish();
}
