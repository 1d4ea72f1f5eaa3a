/** The tensors of a model, read from first to last: NaN and infinities, and the sha256 of each.
 *
 *  The bytes of a tensor are those of its elements in the published order, whatever the file: the
 *  same weights have the same sha256 in a .bin, in safetensors and in a GGUF file. Only norms of 16
 *  bits have another one in GGUF, which holds them as float32. Of weights with one scale a row,
 *  these follow the integers. */

import { throwIfAborted } from '../abort.ts';
import type { StoredTensor } from '../formats/checkpoint.ts';
import { findNotFinite } from '../kernels/not-finite.ts';
import { macrotask } from '../turns.ts';
import { BLOCK_BYTES } from './plan.ts';
import { readStoredRows } from './source-rows.ts';
import type { StreamingHash } from './verify-files.ts';

export interface VerifiedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly file: string;
  readonly sha256: string;
  /** How many of its numbers, or of its scales where numbers share them. */
  readonly nan: number;
  readonly infinite: number;
  /** Index of the first of these, by axis. */
  readonly first?: readonly number[];
}

export interface TensorPass {
  readonly createSha256: () => StreamingHash;
  readonly signal: AbortSignal | undefined;
  readonly report: (tensor: string, bytes: number) => void;
}

/** Reads a tensor whole. @throws aborted, io-… */
export async function verifyTensor(
  stored: StoredTensor,
  { createSha256, signal, report }: TensorPass,
): Promise<VerifiedTensor> {
  const { name, dtype, shape, file, byteLength } = stored;
  const rowCount = shape.length < 2 ? 1 : shape[0];
  const columns = shape.at(-1) ?? 1;
  const step = Math.max(1, Math.floor((BLOCK_BYTES * rowCount) / byteLength));
  const hash = createSha256();
  const scales: Float32Array[] = [];
  let [nan, infinite, first] = [0, 0, -1];
  for (let row = 0; row < rowCount; row += step) {
    throwIfAborted(signal);
    const count = Math.min(step, rowCount - row);
    const rows = await readStoredRows(stored, row, count);
    const found = findNotFinite(rows, columns);
    if (first < 0 && found.first >= 0) first = row * columns + found.first;
    nan += found.nan;
    infinite += found.infinite;
    hash.update(rows.bytes);
    if (rows.scales !== undefined) scales.push(rows.scales);
    report(name, rows.bytes.length);
    await macrotask();
  }
  for (const { buffer, byteOffset, byteLength: length } of scales) {
    hash.update(new Uint8Array(buffer, byteOffset, length));
  }
  const place = first < 0 ? {} : { first: indexOf(first, shape) };
  return { name, dtype, shape, file, sha256: hash.digest(), nan, infinite, ...place };
}

/** The index by axis of an element by number. */
function indexOf(element: number, shape: readonly number[]): number[] {
  let rest = element;
  return shape
    .toReversed()
    .map((length) => {
      const index = rest % length;
      rest = Math.floor(rest / length);
      return index;
    })
    .reverse();
}
