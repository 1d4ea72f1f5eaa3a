/** Models in GGUF files, joined with the tokenizer that they hold: found in a folder, or a Blob
 *  that a user chose. */
import { BaichuanError, quote } from '../errors.ts';
import { type ByteSource, blobSource } from '../formats/byte-source.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { GENERATION_CONFIG, type GgufVocabulary } from '../formats/gguf/baichuan-metadata.ts';
import { type GgufModelFile, openGguf } from '../formats/gguf/open.ts';
import { splitNames } from '../formats/gguf/split.ts';
import type { Folder } from '../formats/hugging-face-folder.ts';
import { type Tokenizer, tokenizerFromPieces, writeModelProto } from '../tokenizer/index.ts';

/** A model's files, whatever their format: what is opened, and what is read when it is needed. */
export interface ModelFiles {
  /** The folder or the file, for messages. */
  readonly name: string;
  /** The bytes of config.json, or of one that says the same, and what messages call it. */
  readonly config: Uint8Array;
  readonly configFile: string;
  /** The bytes of generation_config.json, where there is one, and what messages call it. */
  readonly generationConfig: Uint8Array | undefined;
  readonly generationConfigFile: string;
  readonly checkpoint: Checkpoint;
  readonly hasTokenizer: boolean;
  /** What messages call the tokenizer. */
  readonly tokenizerFile: string;
  /** @throws directory-missing, tokenizer-… */
  loadTokenizer(): Promise<Tokenizer>;
  /** The bytes of a tokenizer.model, or of one that says the same. @throws directory-missing */
  readTokenizerModel(): Promise<Uint8Array>;
  readonly notices: readonly string[];
}

const GGUF_NAME = /\.gguf$/i;

/** A later part of a split model: the first stands for it. */
const LATER_PART = /-(?!00001)\d{5}-of-\d{5}\.gguf$/i;

const SAFETENSORS = /\.safetensors(\.index\.json)?$/;
const TORCH_WEIGHTS = /^pytorch_model\.bin(\.index\.json)?$/;

/** The GGUF file that is meant, if one is: the one that was named, or the only one in a folder
 *  without a checkpoint in safetensors or .bin.
 *  @param named another file that the user named, for messages @throws directory-missing */
async function findGguf(
  folder: Folder,
  weights: string | undefined,
  named: string | undefined,
): Promise<string | undefined> {
  if (weights !== undefined) return GGUF_NAME.test(weights) ? weights : undefined;
  const names = await folder.list();
  if (hasOtherWeights(names)) return undefined;
  const models = names.filter((name) => GGUF_NAME.test(name) && !LATER_PART.test(name)).sort();
  if (models.length <= 1) return models[0];
  const more = models.length > 3 ? ' …' : '';
  const listed = models.slice(0, 3).map(quote).join(', ') + more;
  const reason = named === undefined ? '' : `${quote(named)} is no model by itself, and `;
  throw new BaichuanError('directory-missing', {
    file: folder.name,
    what: `${reason}the folder has ${models.length} models: ${listed}.`,
    fix: 'Name the .gguf file to load.',
    expected: 1,
    found: models.length,
  });
}

/** Whether there is a checkpoint that a GGUF file beside it was made from. A .bin file alone,
 *  without its configuration, is none. */
function hasOtherWeights(names: readonly string[]): boolean {
  if (names.some((name) => SAFETENSORS.test(name))) return true;
  return names.includes('config.json') && names.some((name) => TORCH_WEIGHTS.test(name));
}

/** Opens the GGUF file of a folder, with all its parts.
 *  @param weights the file of the folder that the user named
 *  @param named what the user named, where that is no file of weights, for messages
 *  @returns undefined where no GGUF file is meant
 *  @throws directory-missing, gguf-…, model-missing, model-shape, io-… */
export async function openFolderGguf(
  folder: Folder,
  weights: string | undefined,
  named?: string | undefined,
): Promise<ModelFiles | undefined> {
  const file = await findGguf(folder, weights, named);
  if (file === undefined) return undefined;
  const names = splitNames(file);
  expectAll(folder, names, new Set(await folder.list()));
  const sources: ByteSource[] = [];
  try {
    for (const name of names) sources.push(await folder.open(name));
  } catch (error) {
    for (const source of sources) await source.close();
    throw error;
  }
  return modelFiles(await openGguf(sources), sources[0].name);
}

function expectAll(folder: Folder, names: readonly string[], present: ReadonlySet<string>): void {
  const missing = names.filter((name) => !present.has(name));
  if (missing.length === 0 || names.length === 1) return;
  const listed = missing.slice(0, 3).map(quote).join(', ');
  const there = names.length - missing.length;
  throw new BaichuanError('gguf-split', {
    file: folder.name,
    where: quote(names[0]),
    what: `${there} of ${names.length} files present; missing: ${listed}.`,
    fix: 'Download the missing files into this folder.',
    expected: names.length,
    found: there,
  });
}

/** Opens a GGUF file that is one Blob.
 *  @throws gguf-…, model-missing, model-shape, io-… */
export async function openBlobGguf(blob: Blob): Promise<ModelFiles> {
  const name = 'name' in blob && typeof blob.name === 'string' ? blob.name : 'model.gguf';
  return modelFiles(await openGguf([blobSource(name, blob)]), name);
}

function modelFiles(
  { config, generationConfig, checkpoint, vocabulary }: GgufModelFile,
  name: string,
): ModelFiles {
  return {
    ...{ name, config, configFile: name, checkpoint },
    ...{ generationConfig, generationConfigFile: `${name} (${GENERATION_CONFIG})` },
    ...{ hasTokenizer: vocabulary !== undefined, tokenizerFile: name },
    loadTokenizer: async () =>
      tokenizerFromPieces(expectVocabulary(vocabulary, name), { file: name }),
    readTokenizerModel: async () => writeModelProto(expectVocabulary(vocabulary, name)),
    notices: checkpoint.notices,
  };
}

function expectVocabulary(vocabulary: GgufModelFile['vocabulary'], name: string): GgufVocabulary {
  if (vocabulary !== undefined) return vocabulary;
  throw new BaichuanError('directory-missing', {
    file: name,
    where: 'tokenizer.ggml.tokens',
    what: 'the file has no vocabulary.',
    fix: 'Give token ids instead of text, or convert the model anew with its tokenizer.model.',
  });
}
