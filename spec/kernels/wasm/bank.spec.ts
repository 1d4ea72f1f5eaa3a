/** Memories of the WebAssembly kernels: pointers past 2 and 3 GiB, growth, limits. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseConfig } from '../../../src/config.ts';
import { openModel } from '../../../src/engine/load.ts';
import { createLocalEngine } from '../../../src/engine/local-engine.ts';
import { type PlanOptions, planMemory } from '../../../src/engine/plan.ts';
import { readWeights } from '../../../src/engine/read-weights.ts';
import { QUANTIZATIONS, type Quantization } from '../../../src/engine/weight-formats.ts';
import { Bank, MAX_PAGES, PAGE_BYTES } from '../../../src/kernels/wasm/bank.ts';
import { CONTROL_BYTES, controlOf } from '../../../src/kernels/wasm/control.ts';
import { createWasmKernels } from '../../../src/kernels/wasm/index.ts';
import { kernelsBinary } from '../../../src/kernels/wasm/module.ts';
import { createSingleRunner, type KernelRunner } from '../../../src/kernels/wasm/pool.ts';
import { GOLDENS, idsOf, runner } from '../../support/goldens.ts';
import { wasmKernels } from '../../support/kernel-sets.ts';
import { utf8 } from '../../support/model-files.ts';
import { expectRefusal } from '../../support/refusal.ts';
import { configOf, type SyntheticShape, syntheticFolder } from '../../support/synthetic-model.ts';

const banks = suite('banks');
const module = new WebAssembly.Module(kernelsBinary({ simd: 'baseline', shared: false }));
const GIB = 2 ** 30;

for (const golden of GOLDENS.slice(0, 2)) {
  const ids = idsOf(golden.float32.get('input_ids'));

  banks(`law: pointers past 2 and 3 GiB give the same bits (${golden.name})`, async () => {
    const near = await runner(golden, 'wasm');
    const expected = near.run([{ sequence: near.kvCache.open(), ids }]);
    for (const cache of ['f32', 'int8'] as const) {
      const options = { cache };
      const plain = await runner(golden, wasmKernels(golden.config, options));
      const alike = plain.run([{ sequence: plain.kvCache.open(), ids }]);
      if (cache === 'f32') assert.equal(alike, expected);
      for (const skippedBytes of [1.99 * GIB, 2.01 * GIB, 2.99 * GIB, 3.2 * GIB]) {
        const far = await runner(golden, wasmKernels(golden.config, { ...options, skippedBytes }));
        const found = far.run([{ sequence: far.kvCache.open(), ids }]);
        assert.equal(found, alike, `${cache} past ${skippedBytes / GIB} GiB`);
      }
    }
  });
}

const SHAPE: SyntheticShape = {
  position: 'alibi',
  vocabSize: 301,
  hiddenSize: 360,
  intermediateSize: 452,
  numHiddenLayers: 2,
  numAttentionHeads: 5,
};

const FOLDER = syntheticFolder(SHAPE);

const singleRunner = () => createSingleRunner(controlOf(new ArrayBuffer(CONTROL_BYTES)));

/** Logits of two prompts in a row, quantized.
 *  @param skippedBytes of memory before everything else
 *  @param kernelRunner what runs the kernels, while weights are packed too */
async function quantizedLogits(
  quantize: Quantization,
  skippedBytes: number | 'most',
  kernelRunner: KernelRunner = singleRunner(),
) {
  const { config, checkpoint } = await openModel(FOLDER);
  const plan = planMemory(config, { quantize, contextLength: 192 });
  const pages = Math.ceil(plan.totalBytes / PAGE_BYTES) + 1;
  const skip = skippedBytes === 'most' ? (MAX_PAGES - pages) * PAGE_BYTES : skippedBytes;
  const kernels = createWasmKernels({
    ...{ module, shared: false, activations: 'fast', cache: plan.kvCache },
    banks: plan.banks.map((bank) => ({ ...bank, skippedBytes: skip })),
    runner: kernelRunner,
  });
  const { formats } = plan;
  const engine = createLocalEngine(kernels, { config, contextLength: 192, formats }, false);
  await readWeights({ config, checkpoint }, { engine, formats }, { onNotice: assert.unreachable });
  const sequence = engine.open();
  const run = (count: number) => {
    const ids = Array.from({ length: count }, (_, i) => (i * 7 + count) % SHAPE.vocabSize);
    return engine.run([{ sequence, ids }], { logits: 'all' });
  };
  return [(await run(64)).logits, (await run(66)).logits];
}

for (const quantize of ['int4', 'int8', 'int4-channel', 'int8-channel'] as const) {
  banks(`law: past 2.99 GiB and up to the last page ${quantize} has the same bits`, async () => {
    const expected = await quantizedLogits(quantize, 0);
    assert.ok(expected[1].every(Number.isFinite));
    for (const skippedBytes of [2.99 * GIB, 'most'] as const) {
      assert.equal(await quantizedLogits(quantize, skippedBytes), expected, String(skippedBytes));
    }
  });
}

for (const quantize of ['none', 'int4', 'int8', 'int4-channel', 'int8-channel'] as const) {
  banks(`law: F14 memory that grows around every kernel changes no bit (${quantize})`, async () => {
    const inner = singleRunner();
    let grown = 0;
    const growing: KernelRunner = {
      threads: 1,
      run(bank, ...call) {
        // Every view of before is detached: who still holds one would read nothing.
        bank.memory.grow(1);
        inner.run(bank, ...call);
        bank.memory.grow(1);
        grown += 2;
      },
    };
    const expected = await quantizedLogits(quantize, 0);
    assert.equal(await quantizedLogits(quantize, 0, growing), expected);
    assert.ok(grown > 100, `${grown} pages`);
  });
}

banks('law: a bank grows when the cache outgrows the plan, and nothing moves', async () => {
  const [golden] = GOLDENS;
  const { config } = golden;
  const { run, kvCache, machine } = await runner(
    golden,
    wasmKernels(config, { contextLength: 64 }),
  );
  const ids = Array.from({ length: 60 }, (_, i) => (i * 31) % config.vocabSize);
  const sequence = kvCache.open();
  const first = run([{ sequence, ids }]);
  const memory = machine.kernels.arenas[0].allocate([1]).memory;
  const before = memory.buffer.byteLength;
  for (let round = 0; round < 40; round++) run([{ sequence, ids }]);
  assert.ok(memory.buffer.byteLength > before);
  const again = kvCache.open();
  assert.equal(run([{ sequence: again, ids }]), first);
});

banks('law: allocations are aligned, apart from each other, and inside the memory', () => {
  const plan = { places: [0], weightBytes: 0, cacheBytes: 0, scratchBytes: 4096 };
  const bank = new Bank(0, plan, { module, shared: false });
  let end = 0;
  for (const byteLength of [1, 15, 16, 17, 70_000, 0, 3, 5_000_000]) {
    const pointer = bank.allocate(byteLength);
    assert.is(pointer % 16, 0);
    assert.ok(pointer >= end && pointer + byteLength <= bank.memory.buffer.byteLength);
    end = pointer + byteLength;
  }
});

banks('error: a bank that is full says how much it holds and what was wanted', async () => {
  const plan = { places: [0], weightBytes: 0, cacheBytes: 0, scratchBytes: 4096 };
  const bank = new Bank(3, plan, { module, shared: false });
  const refusal = {
    code: 'out-of-memory',
    where: 'bank 3',
    message: 'cannot grow by another 4294.9 MB',
    fix: '--context-length',
  } as const;
  await expectRefusal(() => bank.allocate(MAX_PAGES * PAGE_BYTES), refusal);
  assert.ok(bank.allocate(100) > 0);
});

banks(
  'error: F11 a memory that cannot grow is refused, and what is held stays usable',
  async () => {
    const [golden] = GOLDENS;
    const kernels = wasmKernels(golden.config, { contextLength: 64 });
    const { run, kvCache } = await runner(golden, kernels);
    const ids = Array.from({ length: 64 }, (_, i) => (i * 31) % golden.config.vocabSize);
    const sequence = kvCache.open();
    const first = run([{ sequence, ids }]);
    const { grow } = WebAssembly.Memory.prototype;
    WebAssembly.Memory.prototype.grow = () => {
      throw new RangeError('WebAssembly.Memory.grow(): Maximum memory size exceeded');
    };
    try {
      await expectRefusal(
        () => {
          for (let round = 0; round < 60; round++) run([{ sequence, ids }]);
        },
        { code: 'out-of-memory', where: 'bank 0', message: 'cannot grow', fix: '--context-length' },
      );
    } finally {
      WebAssembly.Memory.prototype.grow = grow;
    }
    const again = kvCache.open();
    assert.equal(run([{ sequence: again, ids }]), first);
  },
);

banks('law: the plan holds what a bank then takes', async () => {
  for (const golden of GOLDENS) {
    const plan = planMemory(golden.config, { storedAs: () => ({ dtype: 'F32' }) });
    const { machine } = await runner(golden, wasmKernels(golden.config));
    const { memory } = machine.kernels.arenas[0].allocate([1]);
    const planned = plan.totalBytes + 2 * PAGE_BYTES;
    assert.ok(memory.buffer.byteLength <= planned, golden.name);
  }
});

/** How many bytes the banks of a model grow by while a sequence is filled in the largest chunks. */
async function growthOf(shape: SyntheticShape, options: PlanOptions & { stored: string }) {
  const config = parseConfig(utf8(configOf(shape)), { file: 'config.json' });
  const contextLength = 192;
  const storedAs = () => ({ dtype: options.stored });
  const plan = planMemory(config, { ...options, contextLength, storedAs });
  const kernels = createWasmKernels({
    ...{ module, shared: false, activations: 'fast', cache: plan.kvCache, banks: plan.banks },
    runner: singleRunner(),
  });
  const held = () => kernels.memories.map(({ buffer }) => buffer.byteLength);
  const before = held();
  const { formats } = plan;
  const engine = createLocalEngine(kernels, { config, contextLength, formats }, false);
  const sequence = engine.open();
  for (let position = 0; position < contextLength; position += engine.chunkTokens) {
    const ids = Array.from({ length: engine.chunkTokens }, (_, i) => i);
    await engine.run([{ sequence, ids }], { logits: 'all' });
  }
  const growth = held().reduce((sum, bytes, bank) => sum + bytes - before[bank], 0);
  return { growth, banks: before.length };
}

/** A head that takes more activations than a layer, and layers that take more than a head: with
 *  room for the rows that are being loaded, smaller models would pass whatever the plan says. */
const WIDE_HEAD = { vocabSize: 40_003, hiddenSize: 64, intermediateSize: 172 };
const WIDE_LAYER = { vocabSize: 101, hiddenSize: 512, intermediateSize: 10_400 };
const FORMATS: readonly (PlanOptions & { stored: string })[] = [
  ...['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0'].map((stored) => ({ stored })),
  ...QUANTIZATIONS.slice(1).map((quantize) => ({ stored: 'BF16', quantize })),
];

for (const [name, sizes] of Object.entries({ WIDE_HEAD, WIDE_LAYER })) {
  banks(`law: no bank grows up to the last planned position (${name})`, async () => {
    const shape = { ...sizes, numHiddenLayers: 3, numAttentionHeads: 4 };
    for (const position of ['alibi', 'rope'] as const) {
      for (const format of FORMATS) {
        const kvCache = position === 'rope' ? 'f32' : 'int8';
        const found = await growthOf({ ...shape, position }, { ...format, kvCache });
        assert.is(found.growth, 0, JSON.stringify([position, format, kvCache]));
      }
    }
  });
}

banks.run();
