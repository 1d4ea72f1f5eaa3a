/** The contestants that run in a page: this project and both generations of wllama, each with one
 *  thread. The page asks its server what to do next and posts what came of it. */

import {
  createSyntheticModel,
  pieceText,
  type SyntheticSizes,
} from '../support/synthetic-model.ts';
import type { Contestant, OurOptions, Outcome, Task } from './contest.ts';
import { loadOurs } from './our-model.ts';

/** What the server asks for, one at a time. */
export type PageRequest =
  | { readonly type: 'load'; readonly name: 'ours'; sizes: SyntheticSizes; options: OurOptions }
  | { readonly type: 'load'; readonly name: 'wllama-2' | 'wllama-3'; contextLength: number }
  | { readonly type: 'round'; readonly name: string; task: Task; wantsLogits: boolean };

/** What is used of wllama 2.4; it is installed for the bench only. */
interface Wllama2 {
  loadModel(blobs: Blob[], options: object): Promise<void>;
  kvClear(): Promise<void>;
  decode(tokens: readonly number[], options: object): Promise<{ nPast: number }>;
  getLogits(topK: number): Promise<{ token: number; p: number }[]>;
  isMultithread(): boolean;
  exit(): Promise<void>;
}

/** What is used of wllama 3.8, whose interface is that of llama.cpp's server. */
interface Wllama3 {
  loadModel(blobs: Blob[], options: object): Promise<void>;
  createCompletion(options: object): Promise<{ timings?: Timings }>;
  isMultithread(): boolean;
  exit(): Promise<void>;
}

interface Timings {
  readonly prompt_n: number;
  readonly prompt_ms: number;
  readonly predicted_n: number;
  readonly predicted_ms: number;
}

interface WllamaModule<Instance> {
  readonly Wllama: (new (
    paths: Record<string, string>,
    options: object,
  ) => Instance) & { getLibllamaVersion(): string };
}

const contestants = new Map<string, Contestant>();

/** Serves requests until the server ends. */
async function main(): Promise<void> {
  let body: unknown = null;
  for (;;) {
    const init = { method: 'POST', body: JSON.stringify(body) };
    const request: PageRequest = await (await fetch('/next', init)).json();
    body = await answer(request).then(
      (result) => ({ result: result ?? null }),
      (error) => ({ error: [...words, error?.stack ?? error].join('\n') }),
    );
  }
}

async function answer(request: PageRequest): Promise<unknown> {
  if (request.type === 'load') {
    const contestant = await load(request);
    contestants.set(request.name, contestant);
    return contestant.label;
  }
  const contestant = contestants.get(request.name);
  if (contestant === undefined) throw new Error(`${request.name} is not loaded`);
  return contestant.round(request.task, request.wantsLogits);
}

function load(request: PageRequest & { type: 'load' }): Promise<Contestant> {
  if (request.name === 'ours') {
    return loadOurs(createSyntheticModel(request.sizes).folder, request.options, 'Chromium');
  }
  return request.name === 'wllama-2' ? loadWllama2(request) : loadWllama3(request);
}

/** The last words of llama.cpp, for errors. */
const words: string[] = [];
const hear = (...parts: unknown[]) => {
  words.push(parts.join(' '));
  words.splice(0, words.length - 20);
};
const LOGGER = { logger: { debug: hear, log: hear, warn: hear, error: hear } };

async function modelBlob(): Promise<Blob> {
  const response = await fetch('/model.gguf');
  return response.blob();
}

async function loadWllama2({ contextLength }: { contextLength: number }): Promise<Contestant> {
  const folder = '/peers/wllama-2/esm';
  const { Wllama }: WllamaModule<Wllama2> = await import(`${folder}/index.js`);
  // The build for one thread is the only one it is given.
  const paths = { 'single-thread/wllama.wasm': `${folder}/single-thread/wllama.wasm` };
  const wllama = new Wllama(paths, LOGGER);
  await wllama.loadModel([await modelBlob()], { n_ctx: contextLength, n_threads: 1 });
  return {
    label: `wllama 2 (llama.cpp ${Wllama.getLibllamaVersion()}), ${threadsOf(wllama)}`,
    round: (task, wantsLogits) => roundOfWllama2(wllama, task, wantsLogits),
    close: () => wllama.exit(),
  };
}

async function roundOfWllama2(
  wllama: Wllama2,
  { prompt, continuation }: Task,
  wantsLogits = false,
): Promise<Outcome> {
  await wllama.kvClear();
  const start = performance.now();
  await wllama.decode(prompt, {});
  const middle = performance.now();
  const logits = wantsLogits ? await logitsOf(wllama) : undefined;
  const begin = performance.now();
  for (const id of continuation) await wllama.decode([id], {});
  const times = { promptMs: middle - start, decodeMs: performance.now() - begin };
  return logits === undefined ? times : { ...times, logits };
}

/** Logarithms of probabilities are logits but for a constant. */
async function logitsOf(wllama: Wllama2): Promise<number[]> {
  const logits: number[] = [];
  for (const { token, p } of await wllama.getLogits(-1)) logits[token] = naturalLog(p);
  return logits;
}

async function loadWllama3({ contextLength }: { contextLength: number }): Promise<Contestant> {
  const folder = '/peers/wllama-3/esm';
  const { Wllama }: WllamaModule<Wllama3> = await import(`${folder}/index.js`);
  const wllama = new Wllama({ default: `${folder}/wasm/wllama.wasm` }, LOGGER);
  const threads = { n_threads: 1, n_parallel: 1, n_gpu_layers: 0 };
  await wllama.loadModel([await modelBlob()], { n_ctx: contextLength, ...threads });
  return {
    label: `wllama 3 (llama.cpp ${Wllama.getLibllamaVersion()}), ${threadsOf(wllama)}`,
    round: (task) => roundOfWllama3(wllama, task),
    close: () => wllama.exit(),
  };
}

/** It takes text only, and is timed by its own clock, without the way to the page. The first new
 *  token comes of the prompt, so that one more is asked for than are decoded. */
async function roundOfWllama3(wllama: Wllama3, { prompt, continuation }: Task): Promise<Outcome> {
  const { timings } = await wllama.createCompletion({
    prompt: prompt.map(pieceText).join(''),
    ...{ max_tokens: continuation.length + 1, n_predict: continuation.length + 1 },
    ...{ temperature: 0, cache_prompt: false, ignore_eos: true, stream: false },
  });
  if (timings === undefined) throw new Error('wllama 3 gave no timings');
  const { prompt_n, predicted_n } = timings;
  if (prompt_n !== prompt.length || predicted_n !== continuation.length + 1) {
    throw new Error(`wllama 3 ran ${prompt_n} and ${predicted_n} tokens`);
  }
  return { promptMs: timings.prompt_ms, decodeMs: timings.predicted_ms };
}

function threadsOf(wllama: { isMultithread(): boolean }): string {
  if (wllama.isMultithread()) throw new Error('wllama runs more than one thread');
  return '1 thread, Chromium';
}

/** ln x for x > 0 by the series of artanh, as good as a check needs. */
function naturalLog(x: number): number {
  if (!(x > 0)) return -104;
  let [mantissa, exponent] = [x, 0];
  while (mantissa < 0.75) [mantissa, exponent] = [mantissa * 2, exponent - 1];
  while (mantissa >= 1.5) [mantissa, exponent] = [mantissa / 2, exponent + 1];
  // ln m = 2 artanh((m − 1) / (m + 1)).
  const z = (mantissa - 1) / (mantissa + 1);
  let [term, sum] = [z, 0];
  for (let n = 1; n < 20; n += 2) {
    sum += term / n;
    term *= z * z;
  }
  return 2 * sum + exponent * Math.LN2;
}

await main();
