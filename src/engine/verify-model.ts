/** Whether the files of a model are whole: everything is read. What is wrong is gathered, so that
 *  one run tells all of it: an error of opening (index, shards, shapes, configuration) still leaves
 *  the files to be read. */

import { BaichuanError, ERROR_CODES } from '../errors.ts';
import { blobSource } from '../formats/byte-source.ts';
import type { Folder } from '../formats/hugging-face-folder.ts';
import { embeddedModel } from './embedded.ts';
import { type ModelSource, type OpenedModel, openModel, placeOf } from './load.ts';
import { isTorchWeights } from './model-file-names.ts';
import { type LoadProgress, progressReporter } from './progress.ts';
import {
  listFiles,
  measureFiles,
  type StreamingHash,
  type VerifiedFile,
  verifyFiles,
} from './verify-files.ts';
import { type VerifiedTensor, verifyTensor } from './verify-tensors.ts';

export interface VerifyOptions {
  /** Makes a sha256 that takes its input piece by piece. */
  readonly createSha256: () => StreamingHash;
  /** sha256 by file name, from a list of an earlier time or of the publisher. */
  readonly expected?: ReadonlyMap<string, string> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onNotice?: ((notice: string) => void) | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export interface Verification {
  readonly name: string;
  readonly files: readonly VerifiedFile[];
  /** Empty where the model cannot be opened. */
  readonly tensors: readonly VerifiedTensor[];
  /** Empty where all is well. */
  readonly problems: readonly BaichuanError[];
}

/** Reads all of a model.
 *  @param source the embedded model by default
 *  @throws aborted, io-…, and for models of other kinds what `openModel` does */
export async function verifyModel(
  source: ModelSource = embeddedModel(),
  options: VerifyOptions,
): Promise<Verification> {
  const { expected = new Map<string, string>(), signal, createSha256, onProgress } = options;
  const problems: BaichuanError[] = [];
  const { folder, weights } =
    source instanceof Blob ? blobPlace(source) : await placeOf(source, signal);
  const listed = await listFiles(folder, weights, expected.keys());
  const model = await openOrTell(source, options, problems);
  try {
    const stored = [...(model?.checkpoint.tensors.values() ?? [])];
    const tensorBytes = stored.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const { files: names, totalBytes } = await measureFiles(folder, listed);
    noticeUnlisted(names, options);
    const report = progressReporter('verify', tensorBytes + totalBytes, onProgress);
    const isTorch = (name: string) => isTorchWeights(name, names, weights);
    const pass = { createSha256, signal, report, expected, isTorch };
    const files = await verifyFiles(folder, names, pass, problems);
    const tensors: VerifiedTensor[] = [];
    for (const tensor of stored) {
      const verified = await verifyTensor(tensor, pass);
      if (verified.first !== undefined) problems.push(notFiniteError(verified));
      tensors.push(verified);
    }
    if (model?.hasTokenizer === true) await tell(problems, () => model.loadTokenizer());
    return { name: folder.name, files, tensors, problems };
  } finally {
    await model?.close();
  }
}

/** A list that was cut would otherwise pass. */
function noticeUnlisted(names: readonly string[], { expected, onNotice }: VerifyOptions): void {
  const unlisted = expected === undefined ? [] : names.filter((name) => !expected.has(name));
  if (unlisted.length === 0) return;
  const [first] = unlisted;
  const others = unlisted.length > 1 ? ` and ${unlisted.length - 1} more` : '';
  onNotice?.(`${first}${others} of ${names.length} files are not on the list.`);
}

async function openOrTell(
  source: ModelSource,
  { signal, onNotice }: VerifyOptions,
  problems: BaichuanError[],
): Promise<OpenedModel | undefined> {
  return tell(problems, () => openModel(source, { signal, onNotice }));
}

/** Gathers what is wrong with files; anything else is thrown on. */
async function tell<T>(
  problems: BaichuanError[],
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof BaichuanError)) throw error;
    const kind = ERROR_CODES[error.code];
    if (kind !== 'model' && kind !== 'integrity') throw error;
    problems.push(error);
    return undefined;
  }
}

function blobPlace(blob: Blob): { folder: Folder; weights: string } {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'model.gguf';
  const open = async () => blobSource(name, blob);
  return { folder: { name, list: async () => [name], open }, weights: name };
}

function notFiniteError({ name, file, nan, infinite, first }: VerifiedTensor): BaichuanError {
  return new BaichuanError('tensor-not-finite', {
    file,
    where: `${name}[${first?.join(', ')}]`,
    what: `${nan} numbers are NaN and ${infinite} infinite; this is the first.`,
    fix: 'Download the file again and compare its sha256 with the published one.',
    expected: 0,
    found: nan + infinite,
  });
}
