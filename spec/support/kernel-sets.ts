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

/** Kernels in this thread, with arenas that catch the use of freed memory. */
function wasmKernels(config: BaichuanConfig, bankBytes?: number): Kernels {
  const plan = planMemory(config, { storedAs: () => ({ dtype: 'F32' }), bankBytes });
  return createWasmKernels({
    module,
    shared: false,
    banks: plan.banks,
    runner: createSingleRunner(controlOf(new ArrayBuffer(CONTROL_BYTES))),
    activations: 'exact',
    cache: 'f32',
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
  'wasm in several banks': (config) => wasmKernels(config, fewBytes(config)),
};
