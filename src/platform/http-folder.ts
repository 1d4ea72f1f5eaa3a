/** A model's folder on a web server. A server lists no names, so the usual ones are asked for, and
 *  the shards are those that an index names. */

import { BaichuanError, quote } from '../errors.ts';
import { splitNames } from '../formats/gguf/split.ts';
import { expectFileName, type Folder } from '../formats/hugging-face-folder.ts';
import { askFor, type HttpOptions, withRetries } from './http-request.ts';
import { openHttpFile } from './http-source.ts';

const WEIGHTS = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];

const OTHERS = ['config.json', 'generation_config.json', 'tokenizer.model'];

/** A name in an index that is a file of weights. */
const SHARD_NAME = /"([^"/\\]+\.(?:safetensors|bin))"/g;

const MAX_INDEX_BYTES = 16 * 2 ** 20;

/** Whether an address is one of a web server. */
export function isWebAddress(source: string | URL): boolean {
  return /^https?:\/\//i.test(String(source));
}

/** Finds what an address names: a folder, or one weights file with its configuration beside it.
 *  @param address of a folder, with or without a slash at its end, or of a file
 *  @throws option-value */
export function locateHttpModel(
  address: string | URL,
  options: HttpOptions = {},
): { folder: Folder; weights: string | undefined } {
  const url = parse(address);
  const last = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const isFile = /\.(gguf|safetensors|bin|pth?|json|model)$/i.test(last);
  if (!isFile && last !== '') url.pathname += '/';
  const base = new URL('.', url);
  // What a server needs to let somebody in may stand in the query.
  base.search = url.search;
  const file = isFile ? decodeURIComponent(last) : undefined;
  // Whoever names another file of the folder means the folder.
  const weights = file !== undefined && OTHERS.includes(file) ? undefined : file;
  return { folder: folderAt(base, weights, options), weights };
}

/** A folder on a web server, for servers that ask for headers.
 *  @param address of the folder, or of a file in it @throws option-value */
export function httpFolder(address: string | URL, options: HttpOptions = {}): Folder {
  return locateHttpModel(address, options).folder;
}

function folderAt(base: URL, named: string | undefined, options: HttpOptions): Folder {
  const name = printable(base);
  const fileOf = (file: string) => {
    const url = new URL(encodeURIComponent(file), base);
    url.search = base.search;
    return { ...options, url, name: `${name}/${file}` };
  };
  const isThere = async (file: string): Promise<boolean> => {
    try {
      const asked = fileOf(file);
      const answer = await withRetries(asked, () => askFor(asked, [0, 1]));
      answer.stop();
      return true;
    } catch (error) {
      if (error instanceof BaichuanError && error.code === 'io-not-found') return false;
      throw error;
    }
  };
  const readShards = async (index: string): Promise<string[]> => {
    const source = await openHttpFile(fileOf(index));
    try {
      const length = Math.min(source.size, MAX_INDEX_BYTES);
      const text = new TextDecoder().decode(await source.read(0, length));
      return [...text.matchAll(SHARD_NAME)].map(([, shard]) => shard);
    } finally {
      await source.close();
    }
  };
  return {
    name,
    async list() {
      const usual = [...OTHERS, ...(named === undefined ? WEIGHTS : [])];
      const found = await Promise.all(usual.map(isThere));
      const names = new Set(usual.filter((_, index) => found[index]));
      for (const file of named === undefined ? [] : splitNames(named)) names.add(file);
      for (const file of [...names].filter((file) => file.endsWith('.index.json'))) {
        for (const shard of await readShards(file)) names.add(shard);
      }
      return [...names];
    },
    async open(file) {
      expectFileName(name, file);
      return openHttpFile(fileOf(file));
    },
  };
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
