/** The backend of a run: recorded traces, a server, or a GGUF file in native llama.cpp. */

import {
  type ArithmeticClass,
  BaichuanError,
  type ConformBackend,
  type ConformRequests,
  llamaBackend,
  openModel,
  openServer,
  openTraceFolder,
  quote,
  REQUESTS_FILE,
  TRACES_FOLDER,
} from '../index.ts';
import { askServer } from '../platform/ask-server.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { openFolder } from '../platform/node.ts';
import { openLlama } from '../platform/node-llama.ts';
import type { OpenedReference } from './conform-reference.ts';
import type { Arguments } from './options.ts';

/** What `conform` can do, by the option that says so. */
export const WAYS = ['emit', 'traces', 'server', 'gguf'] as const;
export type Way = (typeof WAYS)[number];

interface Backing {
  readonly reference: OpenedReference;
  readonly requests: ConformRequests;
  readonly timeoutMs: number;
}

/** Opens what is asked. @throws option-value, io-…, server-…, backend-… */
export async function openBackend(
  way: Way,
  args: Arguments,
  { signal }: CommandProcess,
  { reference, requests, timeoutMs }: Backing,
): Promise<ConformBackend> {
  const { config } = reference.opened;
  const path = args.text(way) ?? '';
  if (way === 'traces') {
    const folder = openFolder(path);
    const hasTraces = (await folder.list()).includes(TRACES_FOLDER);
    const traces = hasTraces ? openFolder(`${path}/${TRACES_FOLDER}`) : undefined;
    return openTraceFolder({ folder, traces, config });
  }
  if (way === 'server') {
    const { vocabSize } = config;
    const [model, apiKey] = [args.text('server-model'), apiKeyOf(args)];
    return openServer({ url: path, ask: askServer, vocabSize, model, apiKey, timeoutMs, signal });
  }
  const longest = Math.max(0, ...requests.prefills.map(({ ids }) => ids.length));
  const llama = await openLlama({
    ...{ modelPath: path, contextLength: longest + 1, threads: args.number('threads') },
    ...{ project: args.text('project'), timeoutMs, signal },
  });
  return llamaBackend(llama, path);
}

/** The files that a backend is read from, besides those of the model. @throws io-… */
export async function answerFiles(way: Way, args: Arguments): Promise<string[]> {
  const path = args.text(way) ?? '';
  if (way !== 'traces') return way === 'gguf' ? [path] : [];
  const hasTraces = (await openFolder(path).list()).includes(TRACES_FOLDER);
  const folder = `${path}/${TRACES_FOLDER}`;
  const names = hasTraces ? await openFolder(folder).list() : [];
  const traces = names.filter((name) => name.endsWith('.safetensors'));
  const files = [REQUESTS_FILE, 'answers.json'].map((name) => `${path}/${name}`);
  return [...files, ...traces.map((name) => `${folder}/${name}`)];
}

/** @throws option-value */
function apiKeyOf(args: Arguments): string | undefined {
  const name = args.text('api-key-env');
  if (name === undefined) return undefined;
  const key = process.env[name];
  if (key !== undefined && key !== '') return key;
  throw new BaichuanError('option-value', {
    where: '--api-key-env',
    what: `The environment has no ${quote(name)}.`,
    fix: 'Set it to the key, and name it here.',
  });
}

/** llama.cpp computes in the type of the weights: it rounds activations to 8 bits for blocks. */
export async function classOfFile(
  file: string | undefined,
  { signal }: CommandProcess,
): Promise<ArithmeticClass> {
  const { checkpoint, close } = await openModel(file, { signal });
  await close();
  const types = new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype));
  const has = (type: string) => [...types].some((name) => name.startsWith(type));
  if (['Q2', 'Q3', 'Q4'].some(has)) return 'int4';
  if (has('Q')) return 'int8';
  if (has('BF16')) return 'bf16';
  return has('F16') ? 'f16' : 'f32';
}
