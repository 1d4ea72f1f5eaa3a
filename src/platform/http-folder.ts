/** A model's folder on a web server. A server lists no names, so the usual ones are asked for, and
 *  the shards that an index names. */

import { BaichuanError, quote } from '../errors.ts';
import { splitNames } from '../formats/gguf/split.ts';
import {
  expectFileName,
  type Folder,
  meansFolder,
  type NamedModel,
} from '../formats/hugging-face-folder.ts';
import { askFor, type HttpFile, type HttpOptions, withRetries } from './http-request.ts';
import { presentShards } from './http-shards.ts';
import { openHttpFile } from './http-source.ts';

const WEIGHTS = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];

const OTHERS = ['config.json', 'generation_config.json', 'tokenizer.model'];

/** Whether an address is one of a web server. */
export function isWebAddress(source: string | URL): boolean {
  return /^https?:\/\//i.test(String(source));
}

/** Finds what an address names: a folder, or one weights file with its configuration beside it.
 *  @param address of a folder, with or without a slash at its end, or of a file
 *  @throws option-value */
export function locateHttpModel(address: string | URL, options: HttpOptions = {}): NamedModel {
  const url = parse(address);
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const isFile = /\.(gguf|safetensors|bin|pth?|json|model)$/i.test(last);
  if (!isFile && last !== '') url.pathname += '/';
  const base = new URL('.', url);
  // What a server needs to let somebody in may stand in the query.
  base.search = url.search;
  const named = isFile ? decoded(last) : undefined;
  const weights = named === undefined || meansFolder(named) ? undefined : named;
  return { folder: folderAt(base, weights, options), weights, named };
}

/** A folder on a web server, for servers that ask for headers.
 *  @param address of the folder, or of a file in it @throws option-value */
export function httpFolder(address: string | URL, options: HttpOptions = {}): Folder {
  return locateHttpModel(address, options).folder;
}

function folderAt(base: URL, named: string | undefined, options: HttpOptions): Folder {
  const name = printable(base);
  const fileOf = (file: string, signal: AbortSignal | undefined): HttpFile => {
    const url = new URL(encodeURIComponent(file), base);
    url.search = base.search;
    return { ...options, url, name: `${name}/${file}`, signal };
  };
  return {
    name,
    async list(signal) {
      // A GGUF file holds all that there is to a model.
      const isWhole = named !== undefined && /\.gguf$/i.test(named);
      const names = new Set(
        isWhole ? [] : await presentNames((file) => fileOf(file, signal), named),
      );
      for (const file of named === undefined ? [] : splitNames(named)) names.add(file);
      for (const file of [...names].filter((file) => file.endsWith('.index.json'))) {
        const shards = await presentShards((name) => fileOf(name, signal), file);
        for (const shard of shards) names.add(shard);
      }
      return [...names];
    },
    async open(file, signal) {
      expectFileName(name, file);
      return openHttpFile(fileOf(file, signal));
    },
  };
}

/** Which of the usual names are files. Some servers deny what is not there, so a denial counts only
 *  where nothing can be read at all; where there are no weights, those that are denied are listed,
 *  for whoever opens them to be told.
 *  @param named a file that is there too, as the user says @throws io-failed */
async function presentNames(
  fileOf: (name: string) => HttpFile,
  named: string | undefined,
): Promise<string[]> {
  const usual = [...OTHERS, ...(named === undefined ? WEIGHTS : [])];
  const answers = await Promise.all(usual.map((name) => ask(fileOf(name))));
  const present = usual.filter((_, index) => answers[index] === 'there');
  const denial = answers.find((answer) => answer instanceof BaichuanError);
  if (denial === undefined || present.some((name) => WEIGHTS.includes(name))) return present;
  if (present.length > 0) return [...present, ...deniedWeights(usual, answers)];
  if (named !== undefined && (await ask(fileOf(named))) === 'there') return present;
  throw denial;
}

function deniedWeights(usual: readonly string[], answers: readonly unknown[]): string[] {
  const isDenied = (_: string, index: number) => answers[index] instanceof BaichuanError;
  return usual
    .filter(isDenied)
    .filter((name) => WEIGHTS.includes(name))
    .slice(0, 1);
}

/** Whether a file is there, or how the server denies it. @throws io-failed */
async function ask(file: HttpFile): Promise<'there' | 'absent' | BaichuanError> {
  try {
    const answer = await withRetries(file, () => askFor(file, [0, 1]));
    answer.stop();
    return 'there';
  } catch (error) {
    if (!(error instanceof BaichuanError)) throw error;
    if (error.code === 'io-not-found') return 'absent';
    if (error.found === 401 || error.found === 403) return error;
    throw error;
  }
}

/** A file name as an address has it, in plain characters. @throws option-value */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch (cause) {
    throw new BaichuanError('option-value', {
      where: 'source',
      what: `${quote(name)} is no file name of a web address: its % signs encode no text.`,
      fix: 'Write a % of the name as %25.',
      cause,
    });
  }
}

function parse(address: string | URL): URL {
  try {
    return new URL(address);
  } catch (cause) {
    throw new BaichuanError('option-value', {
      where: 'source',
      what: `${quote(String(address))} is no web address.`,
      fix: 'Pass an address like https://example.org/baichuan-13b/.',
      cause,
    });
  }
}

/** Without password, query and the slash at its end. */
function printable({ origin, pathname }: URL): string {
  return origin + pathname.replace(/\/$/, '');
}
