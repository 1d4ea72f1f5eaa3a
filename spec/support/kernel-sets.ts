/** Every kernel set, each proven by the same goldens and laws. */

import type { BaichuanConfig } from '../../src/config.ts';
import { planMemory } from '../../src/engine/plan.ts';
import type { Kernels } from '../../src/kernels/kernels.ts';
import { createReferenceKernels } from '../../src/kernels/reference/index.ts';
import { CONTROL_BYTES, controlOf } from '../../src/kernels/wasm/control.ts';
import { createWasmKernels } from '../../src/kernels/wasm/index.ts';
import { kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { createSingleRunner } from '../../src/kernels/wasm/pool.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';

const simd = chooseSimd();
const module = new WebAssembly.Module(kernelsBinary({ simd, shared: false }));

export interface WasmSetOptions {
  readonly bankBytes?: number;
  readonly contextLength?: number;
  readonly cache?: 'f32' | 'int8';
  /** Left free before everything else in each memory. */
  readonly skippedBytes?: number;
}

/** Kernels in this thread, with arenas that catch the use of freed memory. */
export function wasmKernels(config: BaichuanConfig, options: WasmSetOptions = {}): Kernels {
  const { cache = 'f32', skippedBytes, ...limits } = options;
  const plan = planMemory(config, {
    ...limits,
    kvCache: cache,
    storedAs: () => ({ dtype: 'F32' }),
  });
  return createWasmKernels({
    module,
    shared: false,
    banks: plan.banks.map((bank) => ({ ...bank, skippedBytes })),
    runner: createSingleRunner(controlOf(new ArrayBuffer(CONTROL_BYTES))),
    activations: 'exact',
    cache,
    debug: true,
  });
}

/** So little room that the layers of a model lie in several memories. */
function fewBytes(config: BaichuanConfig): number {
  const { banks } = planMemory(config, { storedAs: () => ({ dtype: 'F32' }) });
  const [{ weightBytes, cacheBytes, scratchBytes }] = banks;
  return scratchBytes + Math.ceil((weightBytes + cacheBytes) * 0.55);
}

export const KERNEL_SETS: Record<string, (config: BaichuanConfig) => Kernels> = {
  reference: () => createReferenceKernels({ debug: true }),
  wasm: (config) => wasmKernels(config),
  'wasm in several banks': (config) => wasmKernels(config, { bankBytes: fewBytes(config) }),
};
