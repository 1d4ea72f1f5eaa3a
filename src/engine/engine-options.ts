/** How a model computes: the caller's options, checked and settled. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError, quote } from '../errors.ts';
import { MAX_PAGES } from '../kernels/wasm/bank.ts';
import { instantiate } from '../kernels/wasm/instance.ts';
import type { CacheFormat } from '../kernels/wasm/layout.ts';
import { type KernelsVariant, kernelsBinary } from '../kernels/wasm/module.ts';
import { KERNEL_NUMBERS } from '../kernels/wasm/ranged-kernels.ts';
import { chooseSimd, type Simd } from '../kernels/wasm/simd.ts';
import { availableThreads } from '../platform/machine.ts';
import { canShareMemory, type StartThread } from '../platform/threads.ts';
import { defaultCache } from './plan.ts';
import { expectQuantization, type Quantization, storedBlocks } from './weight-formats.ts';

/** A build of the kernels that the caller brings along. */
export type KernelsModule = BufferSource | WebAssembly.Module;

export interface EngineOptions {
  /** What weights become; `none` keeps the types of the files. By default what the files hold:
   *  `none`, or the type that `convert` quantized them to. */
  readonly quantize?: Quantization | undefined;
  /** `reference` is the accuracy reference in plain TypeScript; `wasm` by default. */
  readonly kernels?: 'wasm' | 'reference' | undefined;
  /** How activations meet quantized weights: as float32 (`exact`) or in groups of int8 (`fast`).
   *  `fast` by default with int8 and int4, as in Q8_0 and Q4_0 files. */
  readonly activations?: 'exact' | 'fast' | undefined;
  /** Threads that compute; by default those of the machine, one for small models. */
  readonly threads?: number | undefined;
  /** Which build of the kernels; by default the fastest that this engine computes correctly. */
  readonly simd?: 'auto' | Simd | undefined;
  /** The cache's type: int8 by default with int8 and int4 weights, else f32. */
  readonly kvCache?: CacheFormat | undefined;
  /** Other bytes, or the compiled module, of a build of the kernels. */
  readonly wasm?:
    | ((build: { simd: Simd; shared: boolean }) => KernelsModule | Promise<KernelsModule>)
    | undefined;
  /** Starts workers in the caller's way, for pages whose policy forbids `blob:` workers. */
  readonly startThread?: StartThread | undefined;
}

/** Options without a gap. */
export interface EngineChoice {
  readonly kernels: 'wasm' | 'reference';
  readonly quantize: Quantization;
  readonly activations: 'exact' | 'fast';
  readonly kvCache: CacheFormat;
  readonly threads: number;
  /** Whether they pack the weights together while the caller's thread reads. */
  readonly packsTogether: boolean;
  readonly simd: Simd;
  /** Whether the memories are shared between threads. */
  readonly shared: boolean;
}

/** The most threads that are used by default. */
const MOST_THREADS = 16;

/** The most threads that can be asked for. */
const THREAD_LIMIT = 64;

/** Checks what the caller wants before any file is opened. @throws option-value */
export function checkEngineOptions(options: EngineOptions): void {
  const { kernels, activations, simd, kvCache, threads } = options;
  if (options.quantize !== undefined) expectQuantization(options.quantize);
  expectOneOf('kernels', kernels, ['wasm', 'reference']);
  expectOneOf('activations', activations, ['exact', 'fast']);
  expectOneOf('simd', simd, ['auto', 'baseline', 'relaxed']);
  expectOneOf('kvCache', kvCache, ['f32', 'int8']);
  if (options.wasm !== undefined && typeof options.wasm !== 'function') {
    throw new BaichuanError('option-value', {
      where: 'wasm',
      what: 'This is no function.',
      fix: 'Pass a function that gives the bytes of the build it is asked for.',
    });
  }
  if (threads === undefined) return;
  if (Number.isInteger(threads) && threads >= 1 && threads <= THREAD_LIMIT) return;
  throw new BaichuanError('option-value', {
    where: 'threads',
    what: `${threads} is not a number of threads.`,
    fix: `Pass an integer from 1 to ${THREAD_LIMIT}.`,
    expected: `1 … ${THREAD_LIMIT}`,
    found: threads,
  });
}

/** The options with what a model's files imply: layers in blocks of int8 or int4 meet the
 *  activations and the cache that they would meet had they been quantized while loading.
 *  @param storedType the type that the file has under a name */
export function withOptionsOfFile<Options extends EngineOptions>(
  options: Options,
  config: BaichuanConfig,
  storedType: (name: string) => string,
): Options {
  const quantize = options.quantize ?? config.quantization;
  if (quantize !== undefined) return { ...options, quantize };
  if (storedBlocks(config, storedType) === undefined) return options;
  const { activations = 'fast', kvCache = 'int8', kernels } = options;
  const cache = kernels === 'reference' ? {} : { kvCache };
  return { ...options, activations, ...cache };
}

/** What matters of a model. */
export interface ModelKind {
  /** Whether more than one thread would only wait. */
  readonly small: boolean;
  /** Whether it holds quantized weights. */
  readonly quantized: boolean;
}

/** Settles the options.
 *  @param onNotice told why fewer threads are used than could be @throws option-unsupported */
export async function settleEngineOptions(
  options: EngineOptions,
  { small, quantized }: ModelKind,
  onNotice: (notice: string) => void,
): Promise<EngineChoice> {
  const { kernels = 'wasm', quantize = 'none', simd = 'auto' } = options;
  const isGrouped = quantize === 'int8' || quantize === 'int4';
  const { kvCache = defaultCache(quantize) } = options;
  const wanted = options.activations ?? (isGrouped ? 'fast' : 'exact');
  const activations = quantized ? wanted : 'exact';
  if (activations !== wanted) onNotice('Activations stay exact: the weights are not quantized.');
  const common = { kernels, quantize, activations, kvCache };
  if (kernels === 'reference') {
    if (options.threads !== undefined && options.threads > 1) {
      onNotice('The reference kernels run in one thread.');
    }
    if (options.kvCache === 'int8') onNotice('The reference kernels hold the cache as float32.');
    if (simd !== 'auto' || options.wasm !== undefined) {
      onNotice('The reference kernels use no WebAssembly: its build does not matter.');
    }
    const alone = { threads: 1, packsTogether: false, shared: false } as const;
    return { ...common, ...alone, kvCache: 'f32', simd: 'baseline' };
  }
  const best = chooseSimd();
  if (simd === 'relaxed' && best !== 'relaxed') throw noRelaxedSimd();
  const canShare = canShareMemory();
  const cores = await availableThreads();
  const most = Math.min(cores, MOST_THREADS);
  const wantedThreads = options.threads ?? (small ? 1 : most);
  if (!canShare && wantedThreads > 1) {
    onNotice(
      'One thread is used: without SharedArrayBuffer no memory can be shared. ' +
        'Serve the page with Cross-Origin-Opener-Policy: same-origin and ' +
        'Cross-Origin-Embedder-Policy: require-corp.',
    );
  }
  const threads = canShare ? wantedThreads : 1;
  const packsTogether = isPackingShared(threads, cores);
  const shared = threads > 1;
  return { ...common, threads, packsTogether, shared, simd: simd === 'auto' ? best : simd };
}

/** Whether the threads of a pool pack weights together. Reading takes most of a core: of two, one
 *  packs as fast alone as with another thread, for which it would wait whenever that has to give
 *  its core to the reader. */
export function isPackingShared(threads: number, cores: number): boolean {
  return threads > 1 && cores > 2;
}

/** The compiled kernels. @throws option-value when the caller's are none */
export async function compileKernels(
  { simd, shared }: EngineChoice,
  { wasm }: EngineOptions,
): Promise<WebAssembly.Module> {
  const build = { simd, shared };
  if (wasm === undefined) return WebAssembly.compile(kernelsBinary(build));
  let [fault, cause]: [string | undefined, unknown] = [
    'the function that gives it fails',
    undefined,
  ];
  try {
    const binary = await wasm(build);
    fault = 'it does not compile, or wants another memory';
    const module =
      binary instanceof WebAssembly.Module ? binary : await WebAssembly.compile(binary);
    fault = misfitOf(module, build);
    if (fault === undefined) return module;
  } catch (error) {
    cause = error;
  }
  const kind = `${simd}${shared ? ', shared memory' : ''}`;
  throw new BaichuanError('option-value', {
    where: 'wasm',
    what: `This is no WebAssembly module of the kernels in this build (${kind}): ${fault}.`,
    fix: 'Pass the file of dist/wasm/ for the build asked for, of the same version.',
    cause,
  });
}

/** Tries a module of the caller's over a small memory. @returns what is wrong with it */
function misfitOf(
  module: WebAssembly.Module,
  { simd, shared }: KernelsVariant,
): string | undefined {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared });
  const exports = instantiate(memory, module);
  const missing = [...KERNEL_NUMBERS.keys()].find((name) => typeof exports[name] !== 'function');
  if (missing !== undefined) return `it has no ${missing}`;
  const isRelaxed = Number(exports.activationBytes.value) === 1;
  return isRelaxed === (simd === 'relaxed') ? undefined : 'it is another build';
}

function expectOneOf(where: string, value: string | undefined, known: readonly string[]): void {
  if (value === undefined || known.includes(value)) return;
  throw new BaichuanError('option-value', {
    where,
    what: `${quote(String(value))} is not known here.`,
    fix: `Pass ${known.join(' or ')}.`,
    expected: known.join(' | '),
    found: quote(String(value)),
  });
}

function noRelaxedSimd(): BaichuanError {
  return new BaichuanError('option-unsupported', {
    where: 'simd',
    what: 'This engine has no relaxed SIMD, or computes it otherwise than its definition.',
    fix: 'Use --simd auto or baseline, or a newer runtime (Node 22 or later).',
  });
}
