/** A trace as the bytes of its file. */

import { type TensorToWrite, writeSafetensors } from '../../formats/safetensors-writer.ts';

/** Writes a safetensors file into memory. @throws what `writeSafetensors` does */
export async function traceBytes(
  tensors: readonly TensorToWrite[],
  metadata: ReadonlyMap<string, string>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const write = async (bytes: Uint8Array) => {
    parts.push(bytes.slice());
    size += bytes.length;
  };
  await writeSafetensors({ write }, tensors, metadata);
  const file = new Uint8Array(size);
  parts.reduce((start, part) => {
    file.set(part, start);
    return start + part.length;
  }, 0);
  return file;
}
