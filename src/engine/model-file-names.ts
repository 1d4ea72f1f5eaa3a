/** Which files of a folder belong to a model, by their names. */

import { splitNames } from '../formats/gguf/split.ts';

const OTHERS = new Set([
  ...['config.json', 'generation_config.json', 'tokenizer.model'],
  ...['model.safetensors.index.json', 'pytorch_model.bin.index.json'],
]);

const WEIGHTS = /\.(safetensors|bin|pt|pth|gguf)$/i;

/** Safetensors that are read rather than .bin files. */
const SAFETENSORS = /^model\.safetensors(\.index\.json)?$/;

/** The names of a model's files.
 *  @param named the weights file that the user named: others are not the model's then */
export function fileNames(present: readonly string[], named: string | undefined): string[] {
  if (named === undefined || OTHERS.has(named)) {
    return present.filter((name) => OTHERS.has(name) || WEIGHTS.test(name));
  }
  const parts = new Set(splitNames(named));
  const isWhole = /\.gguf$/i.test(named);
  return present.filter((name) => parts.has(name) || (!isWhole && isBeside(name, named)));
}

/** Whether a file is one of PyTorch's that the model is read from, whatever is in it: any other
 *  .bin in its folder may be of another kind.
 *  @param named the weights file that the user named */
export function isTorchWeights(
  name: string,
  present: readonly string[],
  named: string | undefined,
): boolean {
  if (named !== undefined && !OTHERS.has(named)) return name === named;
  if (present.some((other) => SAFETENSORS.test(other))) return false;
  return /^pytorch_model.*\.bin$/.test(name);
}

/** What is read beside one file of weights. */
function isBeside(name: string, named: string): boolean {
  return OTHERS.has(name) && (named.endsWith('.index.json') || !name.endsWith('.index.json'));
}
