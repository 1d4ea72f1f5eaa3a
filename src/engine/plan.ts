/** What a model needs in memory, computed before anything is allocated.
 *
 *  The WebAssembly kernels keep it in banks (kernels/wasm/bank.ts): embedding, layers, head, in
 *  this order, each with its part of the cache. As few banks as can hold it are used, filled as
 *  evenly as whole layers allow. The reference kernels hold weights and cache as float32. */

import type { BaichuanConfig } from '../config.ts';
import { BaichuanError } from '../errors.ts';
import { BLOCK_POSITIONS, type Place, type WeightFormat } from '../kernels/kernels.ts';
import { BANK_BYTES, type BankPlan } from '../kernels/wasm/bank.ts';
import { attentionScratchBytes } from '../kernels/wasm/cache.ts';
import {
  type CacheFormat,
  cacheBlockBytes,
  matmulScratchBytes,
  packedBytes,
  tableRowBytes,
} from '../kernels/wasm/layout.ts';
import { type ParameterInfo, parameterTable } from '../model/weights.ts';
import { maxChunk } from './pass-runner.ts';
import { QUANTIZATIONS, type Quantization, weightFormats } from './weight-formats.ts';

const FLOAT32_BYTES = 4;

/** Bytes of a parameter that are read at once, about. */
export const BLOCK_BYTES = 2 * 1024 * 1024;

export interface PlanOptions {
  readonly kernels?: 'wasm' | 'reference' | undefined;
  readonly quantize?: Quantization | undefined;
  /** int8 with int8 and int4 weights by default, else f32. */
  readonly kvCache?: CacheFormat | undefined;
  /** Positions of one sequence; the model's own context by default. */
  readonly contextLength?: number | undefined;
  /** The type of a parameter in its file; BF16, as published, by default. */
  readonly storedAs?: ((name: string) => { readonly dtype: string }) | undefined;
  /** The most that one bank may hold. */
  readonly bankBytes?: number | undefined;
}

export interface MemoryPlan {
  /** Name of the kernel set that the plan is for. */
  readonly kernels: 'wasm' | 'reference';
  readonly quantize: Quantization;
  readonly kvCache: CacheFormat;
  readonly formats: ReadonlyMap<string, WeightFormat>;
  readonly weightBytes: number;
  /** Positions of the cache, rounded up to whole blocks. */
  readonly contextLength: number;
  readonly cacheBytes: number;
  /** Activations of the largest pass. */
  readonly scratchBytes: number;
  readonly totalBytes: number;
  /** Empty for the reference kernels. */
  readonly banks: readonly BankPlan[];
}

/** The cache's type where the caller leaves it open. */
export function defaultCache(quantize: Quantization): CacheFormat {
  return quantize === 'int8' || quantize === 'int4' ? 'int8' : 'f32';
}

/** Plans a model. @throws out-of-memory when a single layer is larger than a bank */
export function planMemory(config: BaichuanConfig, options: PlanOptions = {}): MemoryPlan {
  const plan = tryPlan(config, options);
  if ('part' in plan) throw partTooLarge(plan, whatFits(config, options));
  return plan;
}

/** The options nearest to the wanted ones with which a model would fit, for a command line.
 *  @param available bytes of memory */
export function whatFits(
  config: BaichuanConfig,
  options: PlanOptions,
  available = Number.POSITIVE_INFINITY,
): string | undefined {
  const fitting = nearestFit(config, options, available);
  if (options.kernels !== 'reference') return fitting;
  // Everything is float32 in the reference kernels.
  const wasm = nearestFit(config, { ...options, kernels: 'wasm' }, available);
  const other = wasm === undefined ? undefined : `--kernels wasm ${wasm}`;
  return fitting === undefined || other === undefined
    ? (fitting ?? other)
    : `${fitting} or ${other}`;
}

function nearestFit(
  config: BaichuanConfig,
  options: PlanOptions,
  available: number,
): string | undefined {
  let contextLength = options.contextLength ?? config.modelMaxLength;
  for (;;) {
    for (const quantize of [options.quantize ?? 'none', ...QUANTIZATIONS.slice(1, 3)]) {
      for (const kvCache of new Set([options.kvCache ?? defaultCache(quantize), 'int8'] as const)) {
        const plan = tryPlan(config, { ...options, quantize, kvCache, contextLength });
        if ('part' in plan || plan.totalBytes > available) continue;
        const cache = kvCache === defaultCache(quantize) ? '' : ` --kv ${kvCache}`;
        const kv = options.kvCache !== undefined ? ` --kv ${kvCache}` : cache;
        const size = gigabytes(plan.totalBytes);
        return `--quantize ${quantize}${kv} --context-length ${contextLength} (${size})`;
      }
    }
    // The cache has whole blocks: fewer positions take no less.
    if (contextLength <= BLOCK_POSITIONS) return undefined;
    contextLength = Math.max(BLOCK_POSITIONS, Math.floor(contextLength / 2));
  }
}

/** Bytes for a reader: 9.62 GB. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

function tryPlan(config: BaichuanConfig, options: PlanOptions): MemoryPlan | TooLarge {
  const { kernels = 'wasm', quantize = 'none', storedAs = () => ({ dtype: 'BF16' }) } = options;
  const { contextLength = config.modelMaxLength } = options;
  // The reference kernels hold the cache as float32.
  const { kvCache: wanted = defaultCache(quantize) } = options;
  const kvCache = kernels === 'reference' ? 'f32' : wanted;
  const formats = weightFormats(config, quantize, (name) => storedAs(name).dtype);
  const blocks = Math.ceil(contextLength / BLOCK_POSITIONS);
  const positions = blocks * BLOCK_POSITIONS;
  const { numAttentionHeads: heads, headDim, numHiddenLayers } = config;
  const block = cacheBlockBytes(kvCache, heads, headDim);
  const common = { kernels, quantize, kvCache, formats, contextLength: positions };
  const table = parameterTable(config);
  if (kernels === 'reference') return { ...common, ...referenceSizes(config, table, positions) };
  const parts = partsOf(table, formats, blocks * block);
  const headFormat = headFormatOf(table, formats);
  const scratchBytes = scratchOf(config, positions, headFormat);
  const capacity = Math.min(options.bankBytes ?? BANK_BYTES, BANK_BYTES);
  const banks = planBanks(parts, scratchBytes, capacity);
  if ('part' in banks) return banks;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const weightBytes = sum(banks.map((bank) => bank.weightBytes));
  const cacheBytes = numHiddenLayers * blocks * block;
  const allScratch = banks.length * scratchBytes;
  const totalBytes = weightBytes + cacheBytes + allScratch;
  return { ...common, weightBytes, cacheBytes, scratchBytes: allScratch, totalBytes, banks };
}

function referenceSizes(
  config: BaichuanConfig,
  table: ReadonlyMap<string, ParameterInfo>,
  positions: number,
) {
  let parameters = 0;
  for (const { shape } of table.values()) parameters += shape.reduce((a, b) => a * b, 1);
  const weightBytes = parameters * FLOAT32_BYTES;
  const cacheBytes = positions * 2 * config.numHiddenLayers * config.hiddenSize * FLOAT32_BYTES;
  const scratchBytes = scratchOf(config, positions, 'f32');
  const totalBytes = weightBytes + cacheBytes + scratchBytes;
  return { weightBytes, cacheBytes, scratchBytes, totalBytes, banks: [] };
}

/** A part of the model that lies in one bank as a whole. */
interface Part {
  readonly place: Place;
  readonly weightBytes: number;
  readonly cacheBytes: number;
}

/** Why there is no plan: a part and the activations that no bank can hold. */
interface TooLarge {
  readonly part: Part;
  readonly scratchBytes: number;
  readonly capacity: number;
}

function partsOf(
  table: ReadonlyMap<string, ParameterInfo>,
  formats: ReadonlyMap<string, WeightFormat>,
  layerCacheBytes: number,
): Part[] {
  const sizes = new Map<Place, number>();
  for (const [name, { role, shape, place }] of table) {
    const [rows, columns = 0] = shape;
    const format = formats.get(name) ?? 'f32';
    const bytes =
      role === 'norm'
        ? rows * FLOAT32_BYTES
        : role === 'embedding'
          ? rows * tableRowBytes(format, columns)
          : packedBytes(format, rows, columns);
    // Every allocation starts at a multiple of 16.
    sizes.set(place, (sizes.get(place) ?? 0) + Math.ceil(bytes / 16) * 16);
  }
  return [...sizes].map(([place, weightBytes]) => ({
    place,
    weightBytes,
    cacheBytes: typeof place === 'number' ? layerCacheBytes : 0,
  }));
}

function headFormatOf(
  table: ReadonlyMap<string, ParameterInfo>,
  formats: ReadonlyMap<string, WeightFormat>,
): WeightFormat {
  const [name] = [...table].find(([, { role }]) => role === 'head') ?? [''];
  return formats.get(name) ?? 'f32';
}

/** Activations of the largest chunk at the last position, or of rows that are being loaded. */
function scratchOf(config: BaichuanConfig, positions: number, headFormat: WeightFormat): number {
  const { hiddenSize: C, intermediateSize: F, vocabSize: V, numAttentionHeads: H } = config;
  const T = maxChunk(config);
  const attention = 11 * C * FLOAT32_BYTES * T + H * attentionScratchBytes(positions, C / H);
  const mlp = (2 * C + 3 * F) * FLOAT32_BYTES * T;
  // Two bytes at most for an activation, eight for the scale and the sum of 32 of them.
  const quantized = 2.5 * T * (Math.max(C, F) + 64);
  const unpacked = matmulScratchBytes('int4', T, Math.max(3 * C, F));
  const layer = 5 * C * FLOAT32_BYTES * T + Math.max(attention, mlp) + quantized + unpacked;
  const head = (3 * C + V) * FLOAT32_BYTES * T + quantized + matmulScratchBytes(headFormat, T, V);
  const loading = 2 * BLOCK_BYTES;
  return Math.ceil(Math.max(layer, head, loading) / 4096) * 4096;
}

/** As few banks as hold the parts in their order, the largest of them as small as possible. */
function planBanks(
  parts: readonly Part[],
  scratchBytes: number,
  capacity: number,
): BankPlan[] | TooLarge {
  const room = capacity - scratchBytes;
  const sizes = parts.map(({ weightBytes, cacheBytes }) => weightBytes + cacheBytes);
  const largest = Math.max(...sizes);
  if (largest > room) return { part: parts[sizes.indexOf(largest)], scratchBytes, capacity };
  const fewest = fill(parts, room).length;
  let [low, high] = [largest, room];
  while (high - low > 2 ** 16) {
    const middle = Math.floor((low + high) / 2);
    if (fill(parts, middle).length > fewest) low = middle;
    else high = middle;
  }
  return fill(parts, high).map((bank) => ({
    places: bank.map(({ place }) => place),
    weightBytes: bank.reduce((sum, { weightBytes }) => sum + weightBytes, 0),
    cacheBytes: bank.reduce((sum, { cacheBytes }) => sum + cacheBytes, 0),
    scratchBytes,
  }));
}

function fill(parts: readonly Part[], room: number): Part[][] {
  const banks: Part[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const part of parts) {
    const size = part.weightBytes + part.cacheBytes;
    if (used + size > room) {
      banks.push([]);
      used = 0;
    }
    banks.at(-1)?.push(part);
    used += size;
  }
  return banks;
}

function partTooLarge(
  { part, scratchBytes, capacity }: TooLarge,
  fitting: string | undefined,
): BaichuanError {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  const where = typeof part.place === 'number' ? `layer ${part.place}` : part.place;
  const sizes = [part.weightBytes, part.cacheBytes, scratchBytes].map(megabytes);
  const needs = `Weights (${sizes[0]}), cache (${sizes[1]}) and activations (${sizes[2]})`;
  return new BaichuanError('out-of-memory', {
    where,
    what: `${needs} must lie in one memory of ${megabytes(capacity)}.`,
    fix: fitting === undefined ? 'Use --kernels reference.' : `Use ${fitting}.`,
    expected: capacity,
    found: part.weightBytes + part.cacheBytes + scratchBytes,
  });
}
