/** Products of float32 activations with int8 and int4 weights, in every build that this runtime can
 *  run. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  matmulInt4ChannelExact,
  matmulInt4Exact,
  matmulInt8ChannelExact,
  matmulInt8Exact,
} from '../../src/kernels/reference/matmul-exact.ts';
import { dequantize } from '../../src/kernels/reference/quantized-weight.ts';
import { addFloatLaws, type FloatKernel } from '../support/float-matmul.ts';
import type { Shape } from '../support/integer-matmul.ts';
import { bitsOf, KERNEL_BUILDS, Workbench } from '../support/kernel-builds.ts';
import { type CaseWeight, fromHalf, packIntegers } from '../support/packed-weights.ts';
import { randomSource } from '../support/random.ts';
import { randomIntegers } from '../support/random-integers.ts';

const MIRRORS = {
  matmulInt8Exact,
  matmulInt4Exact,
  matmulInt8ChannelExact,
  matmulInt4ChannelExact,
};
type Name = keyof typeof MIRRORS;

/** Random integers over their whole range (or positive ones) and scales. */
function caseWeight(
  { out, in: inFeatures }: Shape,
  bits: number,
  perRow: boolean,
  isPositive: boolean,
): CaseWeight {
  const G = Math.ceil(inFeatures / 32);
  const limit = 2 ** (bits - 1);
  const seed = 1 + out + 1009 * inFeatures + bits;
  const low = isPositive ? 1 : -limit;
  const values = Int8Array.from(randomIntegers(seed, out * inFeatures, low, limit - 1));
  // Subnormal to about 2⁻⁷, the sign bit at random.
  const magnitudes = randomIntegers(seed + 1, out * G, 0, 0x2000);
  const signs = randomIntegers(seed + 2, out * G, 0, isPositive ? 0 : 1);
  const halfScales = Uint16Array.from(magnitudes, (pattern, i) => pattern + 0x8000 * signs[i]);
  const random = randomSource(seed + 3);
  const rowScales = isPositive ? random.positive(out, 0.1) : random.signed(out, 0.1);
  return { values, halfScales, scales: perRow ? rowScales : fromHalf(halfScales) };
}

function kernelOf(name: Name, bits: number, perRow: boolean): FloatKernel {
  return {
    name,
    of: (kernels) => kernels[name],
    weight: (shape, isPositive) => {
      const { out, in: inFeatures } = shape;
      const weight = caseWeight(shape, bits, perRow, isPositive);
      return {
        dense: dequantize(weight, out, inFeatures, perRow),
        packed: packIntegers(weight, shape, bits, perRow),
        mirror: (x, T) => {
          const y = new Float32Array(T * out);
          MIRRORS[name](y, x, weight, T, out, inFeatures, 0, out);
          return y;
        },
      };
    },
  };
}

const spec = suite('matmul-exact');

addFloatLaws(spec, [
  kernelOf('matmulInt8Exact', 8, false),
  kernelOf('matmulInt4Exact', 4, false),
  kernelOf('matmulInt8ChannelExact', 8, true),
  kernelOf('matmulInt4ChannelExact', 4, true),
]);

for (const build of KERNEL_BUILDS) {
  spec(`law: ${build.name} a unit vector reads out each weight, of every finite scale`, () => {
    const inFeatures = 32;
    for (let first = 0; first < 0x7c00; first += 4096) {
      const out = Math.min(4096, 0x7c00 - first);
      const halfScales = Uint16Array.from({ length: out }, (_, o) => first + o + 0x8000 * (o % 2));
      const values = Int8Array.from({ length: 32 * out }, (_, i) => ((i * 7) % 16) - 8);
      const weight = { values, halfScales, scales: fromHalf(halfScales) };
      const shape = { T: 1, out, in: inFeatures };
      const dense = dequantize(weight, out, inFeatures, false);
      for (const element of [0, 5, 18, 31]) {
        const workbench = new Workbench(build);
        const x = new Float32Array(32);
        x[element] = 1;
        const xPtr = workbench.place(x);
        const yPtr = workbench.place(new Float32Array(out));
        const wPtr = workbench.place(packIntegers(weight, shape, 4, false));
        build.kernels.matmulInt4Exact(yPtr, xPtr, wPtr, 1, out, inFeatures, 0, out);
        const expected = Float32Array.from({ length: out }, (_, o) => dense[32 * o + element] + 0);
        assert.equal(bitsOf(workbench.float32(yPtr, out)), bitsOf(expected));
      }
    }
  });
}

/** Both infinities and some NaN, and finite rows beside them, whose sums are exact. */
const SPECIAL_SCALES = [0x7c00, 0x3c00, 0xfc00, 0x7e00, 0xcc00, 0x7c01, 0x2800, 0xfe00, 0x2400];

for (const build of KERNEL_BUILDS) {
  for (const [name, bits] of [
    ['matmulInt8Exact', 8],
    ['matmulInt4Exact', 4],
  ] as const) {
    spec(`pair: ${build.name} ${name} agrees on infinite and NaN scales`, () => {
      const out = SPECIAL_SCALES.length;
      for (const T of [1, 4, 6]) {
        const halfScales = new Uint16Array(2 * out).fill(0x2400);
        for (const [o, scale] of SPECIAL_SCALES.entries()) halfScales[2 * o + (o % 2)] = scale;
        const values = new Int8Array(64 * out).fill(3);
        const weight = { values, halfScales, scales: fromHalf(halfScales) };
        const x = new Float32Array(64 * T).fill(0.5);
        const workbench = new Workbench(build);
        const [xPtr, yPtr] = [x, new Float32Array(T * out)].map((part) => workbench.place(part));
        const wPtr = workbench.place(packIntegers(weight, { out, in: 64 }, bits, false));
        build.kernels[name](yPtr, xPtr, wPtr, T, out, 64, 0, out);
        const expected = new Float32Array(T * out);
        MIRRORS[name](expected, x, weight, T, out, 64, 0, out);
        assert.equal(bitsOf(workbench.float32(yPtr, T * out)), bitsOf(expected), `${T} tokens`);
        const finite = expected.filter(Number.isFinite).length;
        assert.is(finite, 4 * T, 'the rows beside them stay finite');
        assert.is(expected[0], Number.POSITIVE_INFINITY);
      }
    });
  }
}

spec.run();
