/** Products with float32, bfloat16 and float16 weights, in every build this runtime can run. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as reference from '../../src/kernels/reference/matmul-float.ts';
import { widenBf16, widenF16 } from '../../src/kernels/reference/widen.ts';
import { addFloatLaws, type FloatKernel } from '../support/float-matmul.ts';
import type { Shape } from '../support/integer-matmul.ts';
import { bitsOf, KERNEL_BUILDS, Workbench } from '../support/kernel-builds.ts';
import { packFloats } from '../support/packed-weights.ts';
import { randomSource } from '../support/random.ts';
import { randomIntegers } from '../support/random-integers.ts';

type Widen = typeof widenF16;
type HalfMirror = typeof reference.matmulF16;

function floatWeight(shape: Shape, isPositive: boolean) {
  const { out, in: inFeatures } = shape;
  const random = randomSource(1 + out + 1009 * inFeatures);
  const length = out * inFeatures;
  const dense = isPositive ? random.positive(length) : random.signed(length);
  const mirror = (x: Float32Array, T: number) => {
    const y = new Float32Array(T * out);
    reference.matmulF32(y, x, dense, T, out, inFeatures, 0, out);
    return y;
  };
  return { dense, packed: packFloats(dense, out, inFeatures), mirror };
}

/** Patterns of numbers below 2 in magnitude, subnormal ones among them. */
function halfWeight(widen: Widen, matmul: HalfMirror, below: number) {
  return ({ out, in: inFeatures }: Shape, isPositive: boolean) => {
    const seed = 1 + out + 1009 * inFeatures;
    const magnitudes = randomIntegers(seed, out * inFeatures, 0, below - 1);
    const signs = randomIntegers(seed + 1, out * inFeatures, 0, isPositive ? 0 : 1);
    const patterns = Uint16Array.from(magnitudes, (pattern, i) => pattern + 0x8000 * signs[i]);
    const dense = new Float32Array(patterns.length);
    widen(dense, patterns, patterns.length);
    const mirror = (x: Float32Array, T: number) => {
      const y = new Float32Array(T * out);
      matmul(y, x, patterns, T, out, inFeatures, 0, out);
      return y;
    };
    return { dense, packed: packFloats(patterns, out, inFeatures), mirror };
  };
}

const KERNELS: FloatKernel[] = [
  { name: 'matmulF32', of: (kernels) => kernels.matmulF32, weight: floatWeight },
  {
    name: 'matmulBf16',
    of: (kernels) => kernels.matmulBf16,
    weight: halfWeight(widenBf16, reference.matmulBf16, 0x4000),
  },
  {
    name: 'matmulF16',
    of: (kernels) => kernels.matmulF16,
    weight: halfWeight(widenF16, reference.matmulF16, 0x4000),
  },
];

const spec = suite('matmul-float');

addFloatLaws(spec, KERNELS);

for (const build of KERNEL_BUILDS) {
  spec(`pair: ${build.name} a product with 1 widens every 16-bit pattern as widen does`, () => {
    const patterns = Uint16Array.from({ length: 65_536 }, (_, pattern) => pattern);
    for (const [widen, name] of [
      [widenBf16, 'matmulBf16'],
      [widenF16, 'matmulF16'],
    ] as const) {
      const dense = new Float32Array(65_536);
      widen(dense, patterns, 65_536);
      const workbench = new Workbench(build);
      const wPtr = workbench.place(packFloats(patterns, 65_536, 1));
      const xPtr = workbench.place(Float32Array.of(1));
      const yPtr = workbench.place(new Float32Array(65_536));
      build.kernels[name](yPtr, xPtr, wPtr, 1, 65_536, 1, 0, 65_536);
      // The sum starts at +0, which makes +0 of a product −0.
      const expected = bitsOf(dense.map((value) => value + 0));
      assert.equal(bitsOf(workbench.float32(yPtr, 65_536)), expected, name);
    }
  });
}

spec.run();
