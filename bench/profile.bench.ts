/** Where the time of a prompt and of a token goes: every kernel of the WebAssembly set, in one
 *  thread, over a made-up model of 637 million weights.
 *
 *  Usage: npm run bench:profile -- [--quantize int4] [--activations fast] [--kv int8]
 *         [--simd auto] [--prompt 256] [--new 32] [--rounds 3] [--layers 40 --hidden 1024
 *         --intermediate 2752 --heads 8 --vocabulary 64000]
 *  Prints calls, milliseconds and share of each kernel in the fastest round, and its rate of
 *  multiplications (for kernels that are no products, of elements); "between" is all the rest. */

import { parseArgs } from 'node:util';
import { openModel } from '../src/engine/load.ts';
import { createLocalEngine } from '../src/engine/local-engine.ts';
import { planMemory } from '../src/engine/plan.ts';
import { readWeights } from '../src/engine/read-weights.ts';
import { expectQuantization } from '../src/engine/weight-formats.ts';
import { CONTROL_BYTES, controlOf } from '../src/kernels/wasm/control.ts';
import { createWasmKernels } from '../src/kernels/wasm/index.ts';
import { kernelsBinary } from '../src/kernels/wasm/module.ts';
import { createSingleRunner, type KernelRunner } from '../src/kernels/wasm/pool.ts';
import { chooseSimd } from '../src/kernels/wasm/simd.ts';
import { tokenIds } from './peers/contest.ts';
import { SIZES_637M, sizeOptions, sizesOf } from './support/size-options.ts';
import { createSyntheticModel } from './support/synthetic-model.ts';

interface Spent {
  calls: number;
  ms: number;
  work: number;
}

const { values } = parseArgs({
  options: {
    quantize: { type: 'string', default: 'int4' },
    activations: { type: 'string', default: 'fast' },
    kv: { type: 'string', default: 'int8' },
    simd: { type: 'string', default: 'auto' },
    prompt: { type: 'string', default: '256' },
    new: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '3' },
    ...sizeOptions(),
  },
});

const spent = new Map<string, Spent>();
const sizes = sizesOf(values, SIZES_637M);
const [prompt, tokens] = [Number(values.prompt), Number(values.new)];
const engine = await loadEngine();
const ids = tokenIds(prompt + tokens, sizes.vocabulary);
await report(`prompt of ${prompt}`, prompt, (sequence) => append(sequence, ids.slice(0, prompt)));
await report(`${tokens} tokens after it`, tokens, async (sequence) => {
  await append(sequence, ids.slice(0, prompt));
  spent.clear();
  const start = performance.now();
  for (const id of ids.slice(prompt)) await append(sequence, [id]);
  return performance.now() - start;
});

/** The single runner with a clock around every call. */
function timed(runner: KernelRunner): KernelRunner {
  return {
    threads: 1,
    run(bank, kernel, args, range) {
      const start = performance.now();
      runner.run(bank, kernel, args, range);
      const ms = performance.now() - start;
      const sum = spent.get(kernel) ?? { calls: 0, ms: 0, work: 0 };
      spent.set(kernel, { calls: sum.calls + 1, ms: sum.ms + ms, work: sum.work + range.work });
    },
  };
}

async function loadEngine() {
  const { config, checkpoint } = await openModel(createSyntheticModel(sizes).folder);
  const quantize = expectQuantization(values.quantize);
  const cache = values.kv === 'int8' ? 'int8' : 'f32';
  const contextLength = prompt + tokens;
  const plan = planMemory(config, { quantize, kvCache: cache, contextLength });
  const simd = values.simd === 'baseline' ? 'baseline' : chooseSimd();
  const kernels = createWasmKernels({
    module: new WebAssembly.Module(kernelsBinary({ simd, shared: false })),
    shared: false,
    banks: plan.banks,
    runner: timed(createSingleRunner(controlOf(new ArrayBuffer(CONTROL_BYTES)))),
    activations: values.activations === 'exact' ? 'exact' : 'fast',
    cache,
  });
  const { formats } = plan;
  const local = createLocalEngine(kernels, { config, contextLength, formats }, false);
  await readWeights({ config, checkpoint }, { engine: local, formats }, { onNotice: console.warn });
  console.log(`${process.release.name} ${process.version}, ${simd} SIMD, ${quantize}`);
  return local;
}

/** @returns milliseconds */
async function append(sequence: number, tokens: readonly number[]): Promise<number> {
  const start = performance.now();
  for (let at = 0; at < tokens.length; at += engine.chunkTokens) {
    const part = { sequence, ids: tokens.slice(at, at + engine.chunkTokens) };
    await engine.run([part], { logits: 'last' });
  }
  return performance.now() - start;
}

async function report(
  title: string,
  count: number,
  task: (sequence: number) => Promise<number>,
): Promise<void> {
  let [best, lines]: [number, [string, Spent][]] = [Number.POSITIVE_INFINITY, []];
  for (let round = 0; round <= Number(values.rounds); round++) {
    spent.clear();
    const sequence = engine.open();
    const ms = await task(sequence);
    engine.close(sequence);
    if (ms < best) [best, lines] = [ms, [...spent]];
  }
  const inside = lines.reduce((sum, [, line]) => sum + line.ms, 0);
  lines.push(['between', { calls: 0, ms: best - inside, work: 0 }]);
  console.log(`\n${title}: ${((count * 1000) / best).toFixed(1)} tokens/s`);
  for (const [kernel, { calls, ms, work }] of lines.toSorted((a, b) => b[1].ms - a[1].ms)) {
    const share = `${((100 * ms) / best).toFixed(1)} %`;
    const rate = work === 0 ? '' : `${(work / ms / 1e6).toFixed(1)} G/s`;
    const columns = [`${calls} calls`, `${ms.toFixed(1)} ms`, share, rate];
    console.log(kernel.padEnd(22) + columns.map((column) => column.padStart(12)).join(''));
  }
}
