/** The small GGUF model opened for specs, whole or damaged in one place. */
import { bufferSource } from '../../src/formats/byte-source.ts';
import { type GgufModelFile, openGguf } from '../../src/formats/gguf/open.ts';
import { type RawGguf, smallModel } from './gguf-files.ts';
import { type ExpectedRefusal, expectRefusal } from './refusal.ts';

/** The name of the file. */
export const FILE = 'model.gguf';

export function openBytes(bytes: Uint8Array): Promise<GgufModelFile> {
  return openGguf([bufferSource(FILE, bytes)]);
}

export function openEdited(edit: (file: RawGguf) => void): Promise<GgufModelFile> {
  return openBytes(smallModel(edit));
}

/** Opens a damaged model that must be refused. */
export async function refuseModel(
  edit: (file: RawGguf) => void,
  expected: ExpectedRefusal,
): Promise<void> {
  const bytes = smallModel(edit);
  await expectRefusal(() => openBytes(bytes), { file: FILE, ...expected });
}

/** The elements of a float32 tensor. */
export async function valuesOf({ checkpoint }: GgufModelFile, name: string): Promise<number[]> {
  const tensor = checkpoint.tensors.get(`${name}.weight`);
  if (tensor === undefined) throw new Error(`no ${name}`);
  const bytes = await tensor.read(0, tensor.byteLength);
  return [...new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)];
}
