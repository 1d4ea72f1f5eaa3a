/** A folder as Hugging Face lays it out: config.json, generation_config.json, tokenizer.model, and
 *  the weights in model.safetensors or pytorch_model.bin, or in shards of either with an index.
 *
 *  Opening reads the JSON files and the headers of the weights. The tokenizer is needed only where
 *  text is, so it is looked for only then. */
import { BaichuanError, quote } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { withChannelScales } from './channel-scales.ts';
import type { Checkpoint } from './checkpoint.ts';
import { MAX_INDEX_BYTES, parseShardIndex } from './shard-index.ts';
import { openShards } from './sharded-checkpoint.ts';
import { withWeightScales } from './weight-scales.ts';
import { expectWeightsFile, isTorchName, openWeightsFile } from './weights-file.ts';

/** Files by name, without subfolders. */
export interface Folder {
  /** The folder as the caller named it, for messages. */
  readonly name: string;
  /** The names in it. */
  list(signal?: AbortSignal): Promise<string[]>;
  /** Opens one of them.
   *  @param signal ends waiting for the file, here and while it is read: for folders that are slow
   *  @throws io-…, index-path, index-symlink, aborted */
  open(name: string, signal?: AbortSignal): Promise<ByteSource>;
}

/** What a path or an address names. */
export interface NamedModel {
  readonly folder: Folder;
  /** The one file of the folder that holds or lists the weights, where it was named. */
  readonly weights: string | undefined;
  /** The file that was named, whatever it holds, for messages. */
  readonly named: string | undefined;
}

/** Whether a file is one of a folder's that hold no weights: whoever names it means the folder. */
export function meansFolder(name: string): boolean {
  return [CONFIG, GENERATION_CONFIG, TOKENIZER].includes(name);
}

/** Refuses a name that could lead out of a folder, whatever the system.
 *  @param folder for the message @param isPlain whether the platform takes it for a name too
 *  @throws index-path */
export function expectFileName(folder: string, file: string, isPlain = true): void {
  const isPath = /[\\/\0]/.test(file) || file === '' || file === '.' || file === '..';
  if (!isPath && isPlain) return;
  throw new BaichuanError('index-path', {
    file: folder,
    where: quote(file),
    what: 'this is not the name of a file in the folder; nothing was opened.',
    fix: 'Use names without folders.',
    expected: 'a file name',
    found: quote(file),
  });
}

export interface HuggingFaceFolder {
  readonly name: string;
  /** The bytes of config.json, for `parseConfig`. */
  readonly config: Uint8Array;
  /** The bytes of generation_config.json, if it is there. */
  readonly generationConfig: Uint8Array | undefined;
  readonly checkpoint: Checkpoint;
  readonly hasTokenizer: boolean;
  /** Reads tokenizer.model. @throws directory-missing, tokenizer-limit, io-… */
  requireTokenizer(): Promise<Uint8Array>;
  /** What was accepted though it was odd, one sentence each. */
  readonly notices: readonly string[];
}

const CONFIG = 'config.json';
const GENERATION_CONFIG = 'generation_config.json';
const TOKENIZER = 'tokenizer.model';
const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const TORCH_WEIGHTS = 'pytorch_model.bin';
const TORCH_INDEX = 'pytorch_model.bin.index.json';

/** Where weights are looked for, the first first: safetensors need no interpreter. */
const USUAL_WEIGHTS = [WEIGHTS, INDEX, TORCH_WEIGHTS, TORCH_INDEX];

/** Weights that are a whole model of their own, and are opened as such. */
const FOREIGN_WEIGHTS = /\.gguf$/i;

const MAX_JSON_BYTES = 2 ** 20;
const MAX_TOKENIZER_BYTES = 64 * 2 ** 20;

/** Opens a Hugging Face folder.
 *  @param options.weights one weights file or index in it, instead of the usual names
 *  @param options.named another file of it that the user named, for messages
 *  @throws directory-missing, format-unsupported, index-…, safetensors-…, torch-…,
 *  pickle-…, zip-…, json-…, io-… */
export async function openHuggingFaceFolder(
  folder: Folder,
  options: { weights?: string | undefined; named?: string | undefined } = {},
): Promise<HuggingFaceFolder> {
  const present = new Set(await folder.list());
  const { weights: asked, named } = options;
  if (asked !== undefined && present.has(asked)) {
    await expectWeightsFile(asked, () => folder.open(asked));
  }
  if (!present.has(CONFIG)) throw noConfigError(folder, present, asked, named);
  const { weights, notices } = chooseWeights(folder, present, asked);
  const config = await readSmall(folder, CONFIG, MAX_JSON_BYTES);
  const generationConfig = present.has(GENERATION_CONFIG)
    ? await readSmall(folder, GENERATION_CONFIG, MAX_JSON_BYTES)
    : undefined;
  const checkpoint = await openWeights(folder, present, weights);
  return {
    name: folder.name,
    config,
    generationConfig,
    checkpoint,
    hasTokenizer: present.has(TOKENIZER),
    requireTokenizer: () => readTokenizer(folder, present),
    notices: [...notices, ...checkpoint.notices],
  };
}

/** Reads the tokenizer of a folder that needs no weights.
 *  @param name of the file @throws directory-missing, tokenizer-limit, io-… */
export async function readFolderTokenizer(folder: Folder, name = TOKENIZER): Promise<Uint8Array> {
  return readTokenizer(folder, new Set(await folder.list()), name);
}

async function readTokenizer(
  folder: Folder,
  present: ReadonlySet<string>,
  name = TOKENIZER,
): Promise<Uint8Array> {
  if (!present.has(name)) throw missingError(folder, name, 'the vocabulary of text');
  return readSmall(folder, name, MAX_TOKENIZER_BYTES);
}

async function openWeights(
  folder: Folder,
  present: ReadonlySet<string>,
  weights: string,
): Promise<Checkpoint> {
  if (!weights.endsWith('.json')) {
    const checkpoint = await openWeightsFile(weights, await folder.open(weights));
    return joined(checkpoint, isTorchName(weights));
  }
  const file = `${folder.name}/${weights}`;
  const index = parseShardIndex(await readSmall(folder, weights, MAX_INDEX_BYTES), file);
  const checkpoint = await openShards(index, { present, open: (name) => folder.open(name) }, file);
  return joined(checkpoint, index.shards.every(isTorchName));
}

/** Weights with their scales, which may lie in another shard. */
async function joined(checkpoint: Checkpoint, isTorch: boolean): Promise<Checkpoint> {
  try {
    return isTorch ? withChannelScales(checkpoint) : withWeightScales(checkpoint);
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

interface WeightsChoice {
  weights: string;
  notices: string[];
}

/** The weights file to read: the one asked for, or by its usual name. */
function chooseWeights(
  folder: Folder,
  present: ReadonlySet<string>,
  asked: string | undefined,
): WeightsChoice {
  const names = [...present];
  if (asked !== undefined) {
    if (!present.has(asked)) throw missingError(folder, asked, 'the weights');
    if (FOREIGN_WEIGHTS.test(asked)) throw unsupportedError(folder, asked);
    return { weights: asked, notices: [] };
  }
  const weights = USUAL_WEIGHTS.find((name) => present.has(name));
  if (weights === undefined) throw noWeightsError(folder, names);
  const notices: string[] = [];
  const bin = names.find((name) => /^pytorch_model.*\.bin$/.test(name));
  if (bin !== undefined && [WEIGHTS, INDEX].includes(weights)) {
    notices.push(`The folder has .bin and .safetensors; ${weights} is read.`);
  }
  if ([TORCH_WEIGHTS, TORCH_INDEX].includes(weights) && names.some(isForeign)) {
    notices.push(`The folder has .bin and .gguf; ${weights} is read.`);
  }
  for (const [file, index] of [
    [WEIGHTS, INDEX],
    [TORCH_WEIGHTS, TORCH_INDEX],
  ]) {
    const both = weights === file && present.has(index);
    if (both) notices.push(`The folder has ${file} and ${index}; ${file} is read.`);
  }
  return { weights, notices };
}

function isForeign(name: string): boolean {
  return FOREIGN_WEIGHTS.test(name);
}

/** A GGUF needs no config.json, so its absence is not what is wrong there. */
function noConfigError(
  folder: Folder,
  present: ReadonlySet<string>,
  asked: string | undefined,
  named: string | undefined,
): BaichuanError {
  const foreign = asked ?? [...present].find(isForeign);
  if (foreign !== undefined && present.has(foreign) && isForeign(foreign)) {
    return unsupportedError(folder, foreign);
  }
  if (named === undefined || asked !== undefined) {
    return missingError(folder, CONFIG, 'the sizes of the model');
  }
  return new BaichuanError('directory-missing', {
    file: folder.name,
    where: CONFIG,
    what: `${quote(named)} is no model by itself, and no ${CONFIG} is beside it.`,
    fix: 'Give the folder of a model, or a .gguf file.',
    expected: CONFIG,
    found: 'nothing',
  });
}

function noWeightsError(folder: Folder, names: readonly string[]): BaichuanError {
  const foreign = names.find(isForeign);
  if (foreign !== undefined) return unsupportedError(folder, foreign);
  const shard =
    names.find((name) => name.endsWith('.safetensors')) ??
    names.find((name) => /^pytorch_model.*\.bin$/.test(name)) ??
    names.find((name) => /\.(pt|pth)$/.test(name));
  if (shard === undefined) return missingError(folder, WEIGHTS, 'the weights');
  const [whole, index] = isTorchName(shard) ? [TORCH_WEIGHTS, TORCH_INDEX] : [WEIGHTS, INDEX];
  return new BaichuanError('directory-missing', {
    file: folder.name,
    where: index,
    what: `the folder has neither ${whole} nor ${index}, but ${quote(shard)}.`,
    fix: `Download ${index} too, or name the one weights file to read.`,
    expected: index,
    found: quote(shard),
  });
}

function unsupportedError(folder: Folder, weights: string): BaichuanError {
  return new BaichuanError('format-unsupported', {
    file: folder.name,
    where: quote(weights).slice(1, -1),
    what: 'a GGUF file is a model of its own, and no part of a folder of Hugging Face.',
    fix: 'Name the .gguf file itself as the model.',
    expected: '.safetensors',
    found: '.gguf',
  });
}

function missingError(folder: Folder, name: string, holds: string): BaichuanError {
  const published = 'baichuan-inc/Baichuan-13B-Base or baichuan-inc/Baichuan-7B on Hugging Face';
  return new BaichuanError('directory-missing', {
    file: folder.name,
    where: quote(name).slice(1, -1),
    what: `the folder has no ${quote(name).slice(1, -1)}, which holds ${holds}.`,
    fix: `Copy it there from where the weights come from, such as ${published}.`,
    expected: name,
    found: 'nothing',
  });
}

/** Reads a whole file whose size is checked first. */
async function readSmall(folder: Folder, name: string, maxBytes: number): Promise<Uint8Array> {
  const source = await folder.open(name);
  try {
    if (source.size <= maxBytes) return await source.read(0, source.size);
    throw new BaichuanError(name.endsWith('.json') ? 'json-size' : 'tokenizer-limit', {
      file: source.name,
      where: 'size',
      what: `the file has ${source.size} bytes, where at most ${maxBytes} are read.`,
      fix: 'Check that this is the file you mean; no published one is as large.',
      expected: maxBytes,
      found: source.size,
    });
  } finally {
    await source.close();
  }
}
