/** An engine in the thread that calls it: the reference kernels on the caller's thread, the
 *  WebAssembly kernels in the engine worker. */

import type { BaichuanConfig } from '../config.ts';
import type { Kernels, WeightFormat } from '../kernels/kernels.ts';
import { KvCache } from '../layers/kv-cache.ts';
import { createWeights } from '../model/weights.ts';
import type { Engine } from './engine.ts';
import { createPassRunner } from './pass-runner.ts';

/** What an engine is made of. */
export interface EngineSetup {
  readonly config: BaichuanConfig;
  /** Positions a sequence may hold. */
  readonly contextLength: number;
  /** How every parameter is held, by its name. */
  readonly formats: ReadonlyMap<string, WeightFormat>;
}

/** Makes room for a model.
 *  @param turns whether others need their turns in this thread @throws out-of-memory */
export function createLocalEngine(kernels: Kernels, setup: EngineSetup, turns: boolean): Engine {
  const { config, contextLength, formats } = setup;
  const { numHiddenLayers: layers, numAttentionHeads: heads, headDim } = config;
  const { weights, write } = createWeights(config, kernels, (name) => formats.get(name) ?? 'f32');
  const kvCache = new KvCache(kernels, { layers, heads, headDim, contextLength });
  const runner = createPassRunner({ config, kernels, kvCache }, weights, turns);
  return {
    get chunkTokens() {
      return runner.chunkTokens;
    },
    write: async (name, row, rows) => write(name, row, rows),
    run: (parts, options) => runner.run(parts, options),
    open: () => kvCache.open(),
    fork: (sequence, length) => kvCache.fork(sequence, length),
    rollback: (sequence, length) => kvCache.rollback(sequence, length),
    close: (sequence) => kvCache.close(sequence),
    length: (sequence) => kvCache.length(sequence),
    dispose: async () => {},
  };
}
