/** The plan of a model's memory, held against the figures of the design and its own laws. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONFIG_PRESETS, countParameters } from '../../src/config.ts';
import { maxChunk } from '../../src/engine/pass-runner.ts';
import { planMemory, whatFits } from '../../src/engine/plan.ts';
import { QUANTIZATIONS } from '../../src/engine/weight-formats.ts';
import { BANK_BYTES } from '../../src/kernels/wasm/bank.ts';
import { expectRefusal } from '../support/refusal.ts';

const plan = suite('plan');
const sevenB = CONFIG_PRESETS['baichuan-7b'];
const thirteenB = CONFIG_PRESETS['baichuan-13b'];

plan('law: 13B in int4 with 4096 positions takes 9.52 GB besides its activations', () => {
  const { weightBytes, cacheBytes, scratchBytes, totalBytes } = planMemory(thirteenB, {
    quantize: 'int4',
    contextLength: 4096,
  });
  assert.is(Math.round((weightBytes + cacheBytes) / 1e7), 952);
  assert.is(totalBytes, weightBytes + cacheBytes + scratchBytes);
  assert.ok(scratchBytes < 120e6);
});

plan('law: each quantization takes its bits per weight', () => {
  const linear = 40 * (4 * 5120 * 5120 + 3 * 5120 * 13696);
  const spared = countParameters(thirteenB) - linear;
  const bits = {
    none: 16 * (linear + spared),
    int8: 8.5 * (linear + spared),
    int4: 4.5 * linear + 8.5 * spared,
    'int8-channel': 8 * linear + 16 * spared,
    'int4-channel': 4 * linear + 16 * spared,
  };
  for (const quantize of QUANTIZATIONS) {
    const { weightBytes } = planMemory(thirteenB, { quantize });
    const expected = bits[quantize] / 8;
    // Norms are float32; a channel's scale takes 4 bytes for the 2,560 of its row, or more.
    assert.ok(weightBytes >= expected && weightBytes < 1.002 * expected, quantize);
  }
});

plan('law: every part lies in one bank, in order, and no bank is larger than a memory', () => {
  for (const quantize of QUANTIZATIONS) {
    for (const contextLength of [64, 4096, 16_384]) {
      for (const config of [sevenB, thirteenB]) {
        const { banks, ...sizes } = planMemory(config, { quantize, contextLength });
        const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
        const places = banks.flatMap((bank) => bank.places);
        assert.equal(places, ['embedding', ...layers, 'head']);
        const filled = banks.map((bank) => bank.weightBytes + bank.cacheBytes + bank.scratchBytes);
        assert.ok(Math.max(...filled) <= BANK_BYTES, quantize);
        assert.is(
          filled.reduce((sum, bytes) => sum + bytes),
          sizes.totalBytes,
        );
      }
    }
  }
});

plan('law: one bank fewer could not hold the model', () => {
  for (const quantize of QUANTIZATIONS) {
    const { banks } = planMemory(thirteenB, { quantize });
    const held = banks.reduce((all, bank) => all + bank.weightBytes + bank.cacheBytes, 0);
    const room = BANK_BYTES - banks[0].scratchBytes;
    // Whole layers leave at most one layer's room in each bank.
    const layer = held / 40;
    assert.ok(held > (banks.length - 1) * (room - 2 * layer), quantize);
  }
});

plan('law: the reference kernels hold float32', () => {
  const { weightBytes, cacheBytes, banks } = planMemory(sevenB, { kernels: 'reference' });
  assert.is(weightBytes, 4 * countParameters(sevenB));
  assert.is(cacheBytes, 2 * 32 * 4096 * 4096 * 4);
  assert.equal(banks, []);
});

plan('law: a chunk is the largest multiple of 8 up to 64 whose widest rows stay in 4 MiB', () => {
  const sizes = fc.integer({ min: 1, max: 2 ** 20 });
  fc.assert(
    fc.property(sizes, (intermediateSize) => {
      const chunk = maxChunk({ ...sevenB, intermediateSize });
      const fits = (tokens: number) => 3 * 4 * intermediateSize * tokens <= 2 ** 22;
      // Where eight tokens are too many: as many as fit, and one in any case.
      const step = fits(8) ? 8 : 1;
      assert.ok(chunk % step === 0 && chunk >= 1 && chunk <= 64);
      assert.ok(chunk === 1 || fits(chunk));
      assert.ok(chunk === 64 || !fits(chunk + step));
    }),
  );
  assert.equal([thirteenB, sevenB].map(maxChunk), [24, 24]);
});

plan('error: a layer that no memory can hold is refused with what would fit', async () => {
  // 43 GB of float32 cache a layer; a quarter of the positions takes 2.8 GB as int8.
  const contextLength = 2 ** 20;
  await expectRefusal(() => planMemory(thirteenB, { kvCache: 'f32', contextLength }), {
    code: 'out-of-memory',
    where: 'layer 0',
    message: 'must lie in one memory',
    fix: 'Use --quantize none --kv int8 --context-length 262144 (',
  });
});

plan('law: what would fit is found for every length, also below one block of the cache', () => {
  for (const contextLength of [1, 32, 63, 64, 65]) {
    const found = whatFits(thirteenB, { contextLength }, 12e9);
    assert.match(String(found), `--quantize int4 --context-length ${contextLength} (`);
  }
  const block = planMemory(thirteenB, { quantize: 'int4', contextLength: 64 }).totalBytes;
  assert.match(String(whatFits(thirteenB, { contextLength: 100 }, block)), '--context-length 64 (');
  assert.is(whatFits(thirteenB, { contextLength: 100 }, block - 1), undefined);
});

plan('law: where the reference kernels are too large, those of WebAssembly are named', () => {
  const options = { kernels: 'reference', contextLength: 4096 } as const;
  const wasm = '--kernels wasm --quantize int4 --context-length 4096 (';
  assert.ok(whatFits(thirteenB, options, 10e9)?.startsWith(wasm));
  const short = planMemory(thirteenB, { kernels: 'reference', contextLength: 2048 }).totalBytes;
  const both = whatFits(thirteenB, options, short);
  assert.match(
    String(both),
    /^--quantize none --context-length 2048 \(.* or --kernels wasm --quan/,
  );
});

plan('law: a head of 4 bits takes room to unpack it', () => {
  const config = { ...sevenB, hiddenSize: 256, intermediateSize: 688, numAttentionHeads: 4 };
  const [four, eight] = ['Q4_0', 'Q8_0'].map((dtype) =>
    planMemory({ ...config, headDim: 64 }, { contextLength: 64, storedAs: () => ({ dtype }) }),
  );
  // 64,000 rows in blocks of 8, each 512 bytes and 64 sums of 8 rows.
  const difference = four.banks[0].scratchBytes - eight.banks[0].scratchBytes;
  assert.ok(Math.abs(difference - 8000 * (512 + 64 * 8 * 4)) <= 4096, String(difference));
});

plan('error: a part that fits with no option is sent to the reference kernels', async () => {
  await expectRefusal(() => planMemory(thirteenB, { bankBytes: 2 ** 20 }), {
    code: 'out-of-memory',
    fix: '--kernels reference',
  });
});

plan.run();
