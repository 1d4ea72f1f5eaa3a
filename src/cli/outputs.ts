/** Looking before writing: no output of a command is one of its inputs, or another output. */

import type { OpenedModel } from '../index.ts';
import { expectApart, expectNoInput } from '../platform/node.ts';

/** An option that names a file to write, and the file. */
export type Output = readonly [option: string, path: string | undefined];

/** Refuses outputs that would replace what is read, or each other.
 *  @param inputs paths; what is not there is passed over @throws option-value */
export async function expectSafeOutputs(
  outputs: readonly Output[],
  inputs: readonly string[],
): Promise<void> {
  const seen: { option: string; path: string }[] = [];
  for (const [option, path] of outputs) {
    if (path === undefined) continue;
    await expectNoInput(path, inputs, option);
    for (const other of seen) await expectApart({ option, path }, other);
    seen.push({ option, path });
  }
}

/** What stands beside the weights of a model. */
const SMALL_FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.model',
  'model.safetensors.index.json',
  'pytorch_model.bin.index.json',
];

/** The files that a model is read from; none of a web address.
 *  @param path as the user gave it; undefined for the embedded model */
export function modelInputs(path: string | undefined, model: OpenedModel): string[] {
  if (/^https?:\/\//i.test(path ?? '')) return [];
  const weights = new Set([...model.checkpoint.tensors.values()].map(({ file }) => file));
  const folders = new Set([...weights].map((file) => file.replace(/[^/\\]*$/, '')));
  const small = [...folders].flatMap((folder) => SMALL_FILES.map((name) => `${folder}${name}`));
  return [path ?? model.name, ...weights, ...small];
}
