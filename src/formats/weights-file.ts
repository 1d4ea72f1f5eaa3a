/** Which reader a weights file gets: by its name alone. A file that is another inside is refused by
 *  the reader that its name promises, and no other reader is tried. */
import type { ByteSource } from './byte-source.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openSafetensors } from './safetensors.ts';
import { openTorch } from './torch/torch.ts';

/** Whether a file is PyTorch's, by its name. */
export function isTorchName(name: string): boolean {
  return /\.(bin|pt|pth)$/i.test(name);
}

/** Opens one weights file, headers only.
 *  @param source the checkpoint owns it @throws as `openTorch` or `openSafetensors` */
export function openWeightsFile(name: string, source: ByteSource): Promise<Checkpoint> {
  return isTorchName(name) ? openTorch(source) : openSafetensors(source);
}
