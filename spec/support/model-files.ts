/** Model files made in memory for specs, valid and bad, and the same bytes from every kind of
 *  source. The header is laid out here by hand, apart from the writer under test. */
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import { type ByteSource, blobSource, bufferSource } from '../../src/formats/byte-source.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { openSafetensors, type SafetensorsOptions } from '../../src/formats/safetensors.ts';
import { type ExpectedRefusal, expectRefusal } from './refusal.ts';
import { fileSource } from './scratch-files.ts';

const encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Bytes one after the other. */
export function joinBytes(...parts: Uint8Array[]): Uint8Array {
  return concatenated(parts);
}

/** The same of more parts than a call may have arguments. */
export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => {
    joined.set(part, at);
    return at + part.length;
  }, 0);
  return joined;
}

/** The 8 bytes of a header length. */
export function lengthBytes(length: bigint | number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(length)), true);
  return bytes;
}

/** A safetensors file of a header (text, bytes, or an object to write as JSON) and data that count
 *  up from 0. */
export function safetensorsFile(
  header: string | Uint8Array | Record<string, unknown>,
  data: number | Uint8Array = 0,
): Uint8Array {
  const text = typeof header === 'string' || header instanceof Uint8Array;
  const json = text ? header : JSON.stringify(header);
  const bytes = typeof json === 'string' ? utf8(json) : json;
  const content = typeof data === 'number' ? countingBytes(data) : data;
  return joinBytes(lengthBytes(bytes.length), bytes, content);
}

/** Bytes 0, 1, … 250, 0, 1, …: 251 is prime, so that a shifted read shows. */
export function countingBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

/** An entry of the header: F32 of a shape from an offset on. */
export function float32Entry(shape: number[], begin: number) {
  const byteLength = 4 * shape.reduce((total, dim) => total * dim, 1);
  return { dtype: 'F32', shape, data_offsets: [begin, begin + byteLength] };
}

/** The same bytes as every kind of source, under one name. */
export const SOURCE_KINDS: Record<
  string,
  (name: string, bytes: Uint8Array) => Promise<ByteSource>
> = {
  buffer: async (name, bytes) => bufferSource(name, bytes),
  blob: async (name, bytes) => blobSource(name, new Blob([Uint8Array.from(bytes)])),
  file: fileSource,
};

/** Opens bytes that must be refused, from each kind of source: the same error each time (I6).
 *  @returns the error */
export async function refuseSafetensors(
  bytes: Uint8Array,
  expected: ExpectedRefusal,
  options: SafetensorsOptions = {},
): Promise<BaichuanError> {
  const open = async (kind: string) =>
    openSafetensors(await SOURCE_KINDS[kind]('model.safetensors', bytes), options);
  const file = 'model.safetensors';
  const error = await expectRefusal(() => open('buffer'), { file, ...expected });
  for (const kind of ['blob', 'file']) {
    const other = await open(kind).catch((caught: unknown) => caught);
    assert.instance(other, BaichuanError, kind);
    assert.is(String(other), String(error), `I6: ${kind} differs from buffer`);
  }
  return error;
}

/** Opens bytes that must be accepted. */
export function openBytes(bytes: Uint8Array, name = 'model.safetensors'): Promise<Checkpoint> {
  return openSafetensors(bufferSource(name, bytes));
}

interface TensorContent {
  dtype: string;
  shape: readonly number[];
  bytes: number[];
}

/** Every tensor of a checkpoint with its bytes, to compare checkpoints by. */
export async function contentOf(checkpoint: Checkpoint): Promise<Record<string, TensorContent>> {
  const content: [string, TensorContent][] = [];
  for (const [name, { dtype, shape, byteLength, read }] of checkpoint.tensors) {
    content.push([name, { dtype, shape, bytes: [...(await read(0, byteLength))] }]);
  }
  return Object.fromEntries(content);
}

export interface MemoryFolder extends Folder {
  /** Every name that was opened, in order. */
  readonly opened: string[];
  /** Every range that was read, as `name:offset+length`. */
  readonly reads: string[];
  /** How many of the opened files are still open. */
  openCount(): number;
}

/** A folder in memory that keeps account of what is opened and read. */
export function memoryFolder(
  content: Record<string, Uint8Array | string>,
  name = 'folder',
): MemoryFolder {
  const opened: string[] = [];
  const reads: string[] = [];
  const stillOpen = new Set<ByteSource>();
  return {
    name,
    opened,
    reads,
    openCount: () => stillOpen.size,
    list: async () => Object.keys(content),
    async open(file) {
      opened.push(file);
      const bytes = content[file];
      if (bytes === undefined) {
        throw new BaichuanError('io-not-found', { file: name, what: 'absent.', fix: 'Add it.' });
      }
      const inner = bufferSource(
        `${name}/${file}`,
        typeof bytes === 'string' ? utf8(bytes) : bytes,
      );
      const source: ByteSource = {
        name: inner.name,
        size: inner.size,
        read(byteOffset, byteLength) {
          reads.push(`${file}:${byteOffset}+${byteLength}`);
          return inner.read(byteOffset, byteLength);
        },
        async close() {
          stillOpen.delete(source);
          await inner.close();
        },
      };
      stillOpen.add(source);
      return source;
    },
  };
}
