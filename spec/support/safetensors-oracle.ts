/** A second, minimal safetensors reader for specs: it trusts its files, which are fixtures, and
 *  owes nothing to the reader under test. */

import { readFileSync } from 'node:fs';

export interface OracleTensor {
  readonly dtype: string;
  readonly shape: number[];
  /** Row-major, whatever the dtype. */
  readonly values: Float32Array | Float64Array;
}

const READERS: Record<string, (bytes: ArrayBuffer) => Float32Array | Float64Array> = {
  F32: (bytes) => new Float32Array(bytes),
  F64: (bytes) => new Float64Array(bytes),
  I8: (bytes) => Float32Array.from(new Int8Array(bytes)),
  I64: (bytes) => Float64Array.from(new BigInt64Array(bytes), Number),
  BF16: (bytes) => {
    const bits = Uint32Array.from(new Uint16Array(bytes), (half) => half * 65536);
    return new Float32Array(bits.buffer);
  },
};

/** Reads all tensors of a small file. */
export function readSafetensors(path: string | URL): Map<string, OracleTensor> {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength)));
  const tensors = new Map<string, OracleTensor>();
  for (const [name, entry] of Object.entries<{
    dtype: string;
    shape: number[];
    data_offsets: [number, number];
  }>(header)) {
    if (name === '__metadata__') continue;
    const [start, end] = entry.data_offsets.map((offset) => offset + 8 + headerLength);
    const read = READERS[entry.dtype];
    if (read === undefined) throw new Error(`${path}: no oracle for ${entry.dtype}`);
    const values = read(Uint8Array.from(file.subarray(start, end)).buffer);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, values });
  }
  return tensors;
}
