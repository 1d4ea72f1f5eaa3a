/** The choice between the builds: by validation and by value. */

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { instantiateKernels, kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';

const probe = readFileSync(new URL('../../dist/wasm/relaxed-probe.wasm', import.meta.url));
const canValidate = WebAssembly.validate(probe);

const spec = suite('simd');

/** The probe with other constants: an engine that computes other sums from the same bytes. */
function tamper(from: number[], to: number[]): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(probe);
  const at = bytes.findIndex((_, start) => from.every((byte, i) => bytes[start + i] === byte));
  assert.ok(at > 0);
  bytes.set(to, at);
  return bytes;
}

spec('law: what this engine validates and computes right is what it gets', () => {
  assert.is(chooseSimd(), canValidate ? 'relaxed' : 'baseline');
  assert.is(chooseSimd(probe), chooseSimd());
});

spec('law: one wrong sum, of a constant or a loaded operand, means baseline', () => {
  const constants = tamper([5, 6, 7, 8, 1, 2, 3, 4], [5, 6, 7, 8, 1, 2, 3, 5]);
  assert.is(chooseSimd(constants), 'baseline');
  // A result that is stored elsewhere is missing: v128.store is 0xfd 11, alignment, offset.
  for (const offset of [48, 64, 80]) {
    const elsewhere = [0xfd, 11, 4, 96];
    assert.is(chooseSimd(tamper([0xfd, 11, 4, offset], elsewhere)), 'baseline');
  }
});

spec('law: bytes that are no module mean baseline', () => {
  assert.is(chooseSimd(new Uint8Array(8)), 'baseline');
});

spec('law: every build instantiates over memory of its kind, and the memory decides', () => {
  for (const simd of canValidate ? (['baseline', 'relaxed'] as const) : (['baseline'] as const)) {
    for (const shared of [false, true]) {
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared });
      const module = new WebAssembly.Module(kernelsBinary({ simd, shared }));
      assert.type(instantiateKernels(memory, module).widenBf16, 'function');
      assert.type(instantiateKernels(memory).widenBf16, 'function');
      assert.throws(() => instantiateKernels(memory, kernelsBinary({ simd, shared: !shared })));
    }
  }
});

spec.run();
