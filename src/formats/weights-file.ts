/** Which reader a weights file gets: by its name alone. A file that is another inside is refused by
 *  the reader that its name promises, and no other reader is tried. */
import { BaichuanError } from '../errors.ts';
import { SNIFF_BYTES, sniffForeignFormat } from '../sniff.ts';
import type { ByteSource } from './byte-source.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openSafetensors } from './safetensors.ts';
import { openTorch } from './torch/torch.ts';

/** Endings of files that hold weights, or that name those which do. */
const WEIGHTS_NAME = /\.(safetensors|bin|pth?|gguf|json)$/i;

/** Whether a file is PyTorch's, by its name. */
export function isTorchName(name: string): boolean {
  return /\.(bin|pt|pth)$/i.test(name);
}

/** Opens one weights file, headers only.
 *  @param source the checkpoint owns it @throws as `openTorch` or `openSafetensors` */
export function openWeightsFile(name: string, source: ByteSource): Promise<Checkpoint> {
  return isTorchName(name) ? openTorch(source) : openSafetensors(source);
}

/** Refuses a file that was named as a model and is none: neither its name is that of one, nor is it
 *  safetensors inside, as files in caches are whose names are hashes.
 *  @throws io-magic, io-lfs, io-html, io-… */
export async function expectWeightsFile(
  name: string,
  open: () => Promise<ByteSource>,
): Promise<void> {
  if (WEIGHTS_NAME.test(name)) return;
  const source = await open();
  try {
    const { name: file, size } = source;
    const head = await source.read(0, Math.min(size, SNIFF_BYTES));
    const foreign = sniffForeignFormat(head, { file, expectedFormat: 'a model', size });
    if (foreign?.found === 'safetensors') return;
    throw foreign === undefined || foreign.code === 'io-magic'
      ? noModelError(file, foreign?.found)
      : foreign;
  } finally {
    await source.close();
  }
}

function noModelError(file: string, found: string | number | undefined): BaichuanError {
  const isKnown = typeof found === 'string';
  return new BaichuanError('io-magic', {
    file,
    where: 'byte 0',
    what: isKnown
      ? `this is a ${found} file, but its name does not end as that of a model.`
      : 'this file is no model: neither its name nor its first bytes are those of one.',
    fix: 'Give the folder of a model, or a file that ends in .gguf, .safetensors, .bin or .pth.',
    expected: 'a model',
    found: found ?? 'another file',
  });
}
