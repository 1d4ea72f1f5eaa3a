/** A trace as the bytes of its file. */

import { memorySink } from '../../formats/byte-source.ts';
import { type TensorToWrite, writeSafetensors } from '../../formats/safetensors-writer.ts';

/** Writes a safetensors file into memory. @throws what `writeSafetensors` does */
export async function traceBytes(
  tensors: readonly TensorToWrite[],
  metadata: ReadonlyMap<string, string>,
): Promise<Uint8Array> {
  const file = memorySink();
  await writeSafetensors(file, tensors, metadata);
  return file.bytes();
}
