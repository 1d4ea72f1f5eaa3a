/** From files to a model: folder, configuration, checks, weights, kernels. Nothing of the weights
 *  is read before the configuration and the headers have been checked against each other. */

import { followSignal, throwIfAborted } from '../abort.ts';
import { type BaichuanConfig, parseConfig } from '../config.ts';
import { BaichuanError, quote } from '../errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import {
  type Folder,
  type NamedModel,
  openHuggingFaceFolder,
  readFolderTokenizer,
} from '../formats/hugging-face-folder.ts';
import {
  EMPTY_GENERATION_CONFIG,
  type GenerationConfig,
  parseGenerationConfig,
} from '../generate/generation-config.ts';
import { isWebAddress, locateHttpModel } from '../platform/http-folder.ts';
import { checkVocabulary, loadTokenizer, type Tokenizer } from '../tokenizer/index.ts';
import { embeddedModel } from './embedded.ts';
import { checkEngineOptions, type EngineOptions, withOptionsOfFile } from './engine-options.ts';
import { createLanguageModel, type LanguageModel } from './language-model.ts';
import { asMemoryError } from './memory-error.ts';
import { type ModelFiles, openBlobGguf, openFolderGguf } from './open-gguf.ts';
import { checkParameters } from './parameters.ts';
import type { LoadProgress } from './progress.ts';
import { readWeights } from './read-weights.ts';
import { startEngine } from './start-engine.ts';

/** A model's files: a path on Node, Deno and Bun, an address on the web, a folder of the caller's
 *  own making, or a GGUF file in a Blob. */
export type ModelSource = string | URL | Folder | Blob;

export interface LoadOptions extends EngineOptions {
  /** Positions that a sequence may hold. By default memory is planned for the model's own context,
   *  and the cache grows beyond, to 2^20 positions, while there is room. */
  readonly contextLength?: number | undefined;
  /** Refuse a model without tokenizer before its weights are read. */
  readonly needsTokenizer?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what was accepted though it was odd, one sentence each. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** Told after every block of weights. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export interface OpenOptions {
  /** Ends waiting for files on servers, while opening and later. */
  readonly signal?: AbortSignal | undefined;
  /** Told what was accepted though it was odd, one sentence each. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

/** A model's files, opened and checked, with nothing of the weights read. */
export interface OpenedModel {
  readonly name: string;
  readonly config: BaichuanConfig;
  readonly generationConfig: GenerationConfig;
  readonly checkpoint: Checkpoint;
  readonly hasTokenizer: boolean;
  /** The bytes of config.json and generation_config.json, or of ones that say the same. */
  readonly configBytes: Uint8Array;
  readonly generationConfigBytes: Uint8Array | undefined;
  loadTokenizer(): Promise<Tokenizer>;
  /** The bytes of a tokenizer.model, or of one that says the same. @throws directory-missing */
  readTokenizerModel(): Promise<Uint8Array>;
  close(): Promise<void>;
}

const MAX_CONTEXT_LENGTH = 2 ** 20;

const TOKENIZER = 'tokenizer.model';

/** Opens a model and checks that configuration and tensors belong together.
 *  @param source the embedded model by default
 *  @throws directory-missing, config-…, model-…, safetensors-…, gguf-…, json-…, index-…, io-…,
 *  aborted */
export async function openModel(
  source: ModelSource = embeddedModel(),
  { signal, onNotice = () => {} }: OpenOptions = {},
): Promise<OpenedModel> {
  throwIfAborted(signal);
  const files = await openFiles(source, signal);
  try {
    const config = parseConfig(files.config, { file: files.configFile });
    checkParameters(config, files.checkpoint);
    const generationConfig = readGenerationConfig(files, config.vocabSize);
    const notices = [...files.notices, ...config.notices, ...generationConfig.notices];
    for (const notice of notices) onNotice(notice);
    return {
      name: files.name,
      config,
      generationConfig,
      checkpoint: files.checkpoint,
      hasTokenizer: files.hasTokenizer,
      configBytes: files.config,
      generationConfigBytes: files.generationConfig,
      readTokenizerModel: files.readTokenizerModel,
      loadTokenizer: () => readTokenizer(files, config.vocabSize, onNotice),
      close: () => files.checkpoint.close(),
    };
  } catch (error) {
    await files.checkpoint.close();
    throw error;
  }
}

/** Loads a model into memory.
 *  @param source the embedded model by default @returns the model, to be closed by the caller
 *  @throws what `openModel` does, aborted, option-value */
export async function load(
  source: ModelSource = embeddedModel(),
  options: LoadOptions = {},
): Promise<LanguageModel> {
  checkContextLength(options.contextLength ?? MAX_CONTEXT_LENGTH);
  checkEngineOptions(options);
  // The loaded model reads its tokenizer when it is first asked for: a signal that ends loading,
  // such as a limit of time, must not end that too.
  const { signal, release } = followSignal(options.signal);
  try {
    const opened = await openModel(source, { signal, onNotice: options.onNotice });
    return await loadOpened(opened, { ...options, signal });
  } finally {
    release();
  }
}

async function loadOpened(
  { config, checkpoint, ...opened }: OpenedModel,
  options: LoadOptions,
): Promise<LanguageModel> {
  const { contextLength = MAX_CONTEXT_LENGTH, onNotice = () => {}, signal } = options;
  try {
    const early = options.needsTokenizer === true ? await opened.loadTokenizer() : undefined;
    const storedAs = (name: string) => checkpoint.tensors.get(name) ?? { dtype: 'F32' };
    const started = await startEngine({
      config,
      contextLength,
      plannedLength: options.contextLength ?? config.modelMaxLength,
      storedAs,
      options: withOptionsOfFile(options, config, (name) => storedAs(name).dtype),
      onNotice,
    });
    try {
      const reading = { signal, onNotice, onProgress: options.onProgress };
      const target = { engine: started.engine, formats: started.plan.formats };
      await readWeights({ config, checkpoint }, target, reading);
      return createLanguageModel({
        ...opened,
        ...started,
        config,
        loadTokenizer: async () => early ?? opened.loadTokenizer(),
        contextLength,
      });
    } catch (error) {
      await started.engine.dispose();
      throw error;
    }
  } catch (error) {
    throw asMemoryError(error, 'the weights of this model');
  } finally {
    await opened.close();
  }
}

/** The tokenizer of a model folder, a `tokenizer.model` or a GGUF file, without any weights.
 *  @param source the embedded model by default
 *  @throws directory-missing, tokenizer-…, io-…, aborted */
export async function openTokenizer(
  source: ModelSource = embeddedModel(),
  { signal }: Pick<OpenOptions, 'signal'> = {},
): Promise<Tokenizer> {
  if (source instanceof Blob) return tokenizerOf(await openBlobGguf(source));
  const { folder, weights } = await placeOf(source, signal);
  const name = weights ?? TOKENIZER;
  const isThere = (await folder.list()).includes(name);
  const gguf = await openFolderGguf(folder, isThere ? name : weights);
  if (gguf !== undefined) return tokenizerOf(gguf);
  const file = `${folder.name}/${name}`;
  return loadTokenizer(await readFolderTokenizer(folder, name), { file });
}

async function tokenizerOf({ loadTokenizer, checkpoint }: ModelFiles): Promise<Tokenizer> {
  try {
    return await loadTokenizer();
  } finally {
    await checkpoint.close();
  }
}

async function openFiles(
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<ModelFiles> {
  if (source instanceof Blob) return openBlobGguf(source);
  const { folder, weights, named } = await placeOf(source, signal);
  const gguf = await openFolderGguf(folder, weights, named);
  if (gguf !== undefined) return gguf;
  const files = await openHuggingFaceFolder(folder, { weights, named });
  const tokenizerFile = `${files.name}/${TOKENIZER}`;
  return {
    ...files,
    ...{ configFile: `${files.name}/config.json`, tokenizerFile },
    generationConfigFile: `${files.name}/generation_config.json`,
    loadTokenizer: async () =>
      loadTokenizer(await files.requireTokenizer(), { file: tokenizerFile }),
    readTokenizerModel: () => files.requireTokenizer(),
  };
}

/** The folder of a model, and the file in it that was named.
 *  @param signal heard by all that the folder does @throws io-not-found, io-failed, aborted */
export async function placeOf(source: string | URL | Folder, signal: AbortSignal | undefined) {
  const located = await locate(source);
  return { ...located, folder: heeding(located.folder, signal) };
}

/** The folder, told of the signal by every call. */
function heeding(folder: Folder, signal: AbortSignal | undefined): Folder {
  if (signal === undefined) return folder;
  return {
    name: folder.name,
    list: () => folder.list(signal),
    open: (name) => folder.open(name, signal),
  };
}

async function locate(source: string | URL | Folder): Promise<NamedModel> {
  if (isFolder(source)) return { folder: source, weights: undefined, named: undefined };
  if (isWebAddress(source)) return locateHttpModel(source);
  // Imported here and not above: browsers have no such module, and pass folders.
  const { locateModel } = await import('../platform/node.ts');
  const { pathOf } = await import('../platform/node-paths.ts');
  return locateModel(pathOf(source));
}

function isFolder(source: string | URL | Folder): source is Folder {
  if (typeof source === 'string' || source instanceof URL) return false;
  if (typeof source === 'object' && source !== null && 'list' in source) return true;
  throw new BaichuanError('option-value', {
    where: 'source',
    what: `A model is a path, a URL, a folder or a Blob, not ${quote(String(source))}.`,
    fix: "Pass the path of a model's folder, or nothing for the embedded model.",
  });
}

function readGenerationConfig(files: ModelFiles, vocabSize: number): GenerationConfig {
  if (files.generationConfig === undefined) return EMPTY_GENERATION_CONFIG;
  return parseGenerationConfig(files.generationConfig, {
    file: files.generationConfigFile,
    vocabSize,
  });
}

async function readTokenizer(
  files: ModelFiles,
  vocabSize: number,
  onNotice: (notice: string) => void,
): Promise<Tokenizer> {
  const file = files.tokenizerFile;
  const tokenizer = await files.loadTokenizer();
  const notice = checkVocabulary(tokenizer, vocabSize, { file });
  if (notice !== undefined) onNotice(notice);
  return tokenizer;
}

function checkContextLength(contextLength: number): void {
  const valid = Number.isInteger(contextLength) && contextLength >= 1;
  if (valid && contextLength <= MAX_CONTEXT_LENGTH) return;
  throw new BaichuanError('option-value', {
    where: 'contextLength',
    what: `${contextLength} is not a number of positions.`,
    fix: `Pass an integer from 1 to ${MAX_CONTEXT_LENGTH}.`,
    expected: `1 … ${MAX_CONTEXT_LENGTH}`,
    found: contextLength,
  });
}
