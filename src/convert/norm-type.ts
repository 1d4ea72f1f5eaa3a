/** Norms on their way back from GGUF: there they are float32, as llama.cpp wants them. What they
 *  were before stands in the metadata of our own files. They become that again where not a bit is
 *  lost. */

import type { Checkpoint } from '../formats/checkpoint.ts';
import { NORM_TYPE } from '../formats/gguf/baichuan-metadata.ts';
import { decodeRows } from '../formats/gguf/decode-rows.ts';
import { encodeRows } from '../formats/gguf/encode-rows.ts';
import { type FloatType, floatRows, type TargetTensor } from './targets.ts';

/** The same parameters with norms of the type they had.
 *  @throws io-… */
export async function restoreNorms(
  { metadata }: Checkpoint,
  targets: TargetTensor[],
): Promise<TargetTensor[]> {
  const type = metadata.get(NORM_TYPE);
  if (type !== 'F16' && type !== 'BF16') return targets;
  for (const { role, stored } of targets) {
    if (role === 'norm' && !(await fits(stored, type))) return targets;
  }
  return targets.map((target) => {
    if (target.role !== 'norm') return target;
    const columns = target.shape[0];
    return { ...target, dtype: type, convert: (rows) => floatRows(rows, type, columns) };
  });
}

/** Whether a norm is float32 with values of a narrower type only. */
async function fits(
  { dtype, byteLength, read }: TargetTensor['stored'],
  type: FloatType,
): Promise<boolean> {
  if (dtype !== 'F32') return false;
  const bytes = await read(0, byteLength);
  const narrow = encodeRows(type, decodeRows(dtype, bytes));
  const again = new Uint32Array(decodeRows(type, narrow).buffer);
  const bits = new Uint32Array(bytes.slice().buffer);
  return bits.every((word, index) => word === again[index]);
}
