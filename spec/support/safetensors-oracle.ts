/** A second, minimal safetensors reader for specs: it trusts its files, which are fixtures, and
 *  owes nothing to the reader under test. */

import { readFileSync } from 'node:fs';
import { rawOf } from './raw-safetensors.ts';

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
  const tensors = new Map<string, OracleTensor>();
  for (const [name, { dtype, shape, bytes }] of rawOf(readFileSync(path))) {
    const read = READERS[dtype];
    if (read === undefined) throw new Error(`${path}: no oracle for ${dtype}`);
    tensors.set(name, { dtype, shape, values: read(bytes) });
  }
  return tensors;
}
