/** An engine in workers with a model in it, under conditions that `load` chooses by itself. */

import * as assert from 'uvu/assert';
import type { Engine } from '../../src/engine/engine.ts';
import { openModel } from '../../src/engine/load.ts';
import { planMemory } from '../../src/engine/plan.ts';
import { readWeights } from '../../src/engine/read-weights.ts';
import { type RemoteEngineOptions, startRemoteEngine } from '../../src/engine/remote-engine.ts';
import type { Quantization } from '../../src/engine/weight-formats.ts';
import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import { kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';

type Conditions = Pick<RemoteEngineOptions, 'threads' | 'patience' | 'startThread'> & {
  readonly quantize?: Quantization;
  readonly packsTogether?: boolean;
};

/** Starts it, with exact activations, a float32 cache and 128 positions. */
export async function startFilledEngine(folder: Folder, conditions: Conditions): Promise<Engine> {
  const { quantize = 'none', packsTogether = true, ...rest } = conditions;
  const { config, checkpoint } = await openModel(folder);
  const contextLength = 128;
  const plan = planMemory(config, { quantize, kvCache: 'f32', contextLength });
  const { banks, formats } = plan;
  const shared = rest.threads > 1;
  const engine = await startRemoteEngine({
    ...{ setup: { config, contextLength, formats }, banks, packsTogether },
    ...{ activations: 'exact', cache: 'f32' },
    module: await WebAssembly.compile(kernelsBinary({ simd: chooseSimd(), shared })),
    ...rest,
  });
  const options = { onNotice: assert.unreachable };
  await readWeights({ config, checkpoint }, { engine, formats }, options);
  return engine;
}
