/** The laws of the matrix products with float32 activations: sequential float32 sums bit for bit,
 *  and the bounds against the float64 mirror. */

import type { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { matmul } from '../../src/kernels/reference/matmul.ts';
import type { FloatMatmul, KernelExports } from '../../src/kernels/wasm/exports.ts';
import type { Shape } from './integer-matmul.ts';
import { bitsOf, KERNEL_BUILDS, type KernelBuild, Workbench } from './kernel-builds.ts';
import { randomSource } from './random.ts';

/** A weight of one kind: as numbers, and as the kernel takes it. */
export interface FloatWeight {
  /** The exact values the kernel multiplies by, `[out, in]`. */
  readonly dense: Float32Array;
  readonly packed: Float32Array | Uint16Array | Uint8Array;
  /** y by the mirror of the kernel, all rows. */
  mirror(x: Float32Array, T: number): Float32Array;
}

export interface FloatKernel {
  readonly name: string;
  readonly of: (kernels: KernelExports) => FloatMatmul;
  /** A random weight; `isPositive` makes all its numbers positive. */
  weight(shape: Shape, isPositive: boolean): FloatWeight;
}

/** Σᵢ x·w in float32, ascending i: a product that rounds, then a sum that rounds. */
function sequential(x: Float32Array, dense: Float32Array, shape: Shape): Float32Array {
  const { T, out, in: inFeatures } = shape;
  return Float32Array.from({ length: T * out }, (_, index) => {
    const [t, o] = [Math.floor(index / out), index % out];
    let sum = 0;
    for (let i = 0; i < inFeatures; i += 1) {
      const product = Math.fround(x[t * inFeatures + i] * dense[o * inFeatures + i]);
      sum = Math.fround(sum + product);
    }
    return sum;
  });
}

function runKernel(
  build: KernelBuild,
  kernel: FloatKernel,
  shape: Shape,
  operands: { x: Float32Array; weight: FloatWeight },
  { shift = 0, ends = [shape.out], atEnd = false } = {},
): Float32Array {
  const { T, out, in: inFeatures } = shape;
  const workbench = new Workbench(build);
  const yPtr = workbench.place(new Float32Array(T * out).fill(-7), shift);
  const xPtr = workbench.place(operands.x, shift);
  const { packed } = operands.weight;
  const wPtr = atEnd ? workbench.placeLast(packed) : workbench.place(packed, shift);
  let begin = 0;
  for (const end of ends) {
    workbench.remember();
    kernel.of(build.kernels)(yPtr, xPtr, wPtr, T, out, inFeatures, begin, end);
    const rows = Array.from({ length: T }, (_, t) => yPtr + 4 * t * out);
    const changed = workbench.changedOutside(
      rows.map((row) => [row + 4 * begin, row + 4 * end] as const),
    );
    assert.is(changed, 0, `${changed} bytes outside rows ${begin} to ${end} changed`);
    begin = end;
  }
  return workbench.float32(yPtr, T * out);
}

function operandsOf(kernel: FloatKernel, shape: Shape, isPositive = false) {
  const random = randomSource(3 + shape.T + 31 * shape.out + 1009 * shape.in);
  const length = shape.T * shape.in;
  const x = isPositive ? random.positive(length) : random.signed(length);
  return { x, weight: kernel.weight(shape, isPositive) };
}

/** Adds every law of a table of kernels to a suite. */
export function addFloatLaws(spec: ReturnType<typeof suite>, table: readonly FloatKernel[]): void {
  for (const build of KERNEL_BUILDS) {
    for (const kernel of table) {
      addBitLaws(spec, build, kernel);
      addBoundLaws(spec, build, kernel);
    }
  }
}

function addBitLaws(spec: ReturnType<typeof suite>, build: KernelBuild, kernel: FloatKernel): void {
  const title = `${build.name} ${kernel.name}`;
  const agree = (shape: Shape, options = {}) => {
    const operands = operandsOf(kernel, shape);
    const found = runKernel(build, kernel, shape, operands, options);
    const expected = sequential(operands.x, operands.weight.dense, shape);
    assert.equal(bitsOf(found), bitsOf(expected), `${JSON.stringify({ ...shape, ...options })}`);
  };

  spec(`law: ${title} sums in ascending order at every length 0 to 67 and alignment`, () => {
    for (let length = 0; length <= 67; length += 1) {
      const T = [1, 4, 7, 2][length % 4];
      agree({ T, out: (length % 19) + 1, in: length }, { shift: 4 * (length % 4) });
      agree({ T: (length % 9) + 1, out: 9, in: length }, { shift: 12 - 4 * (length % 4) });
    }
  });

  spec(`law: ${title} sums in ascending order for 0 to 9 tokens and 1 to 19 rows`, () => {
    for (let T = 0; T <= 9; T += 1) {
      for (let out = 1; out <= 19; out += 1) agree({ T, out, in: 37 });
    }
  });

  spec(`law: ${title} reads no byte past the end of the memory`, () => {
    agree({ T: 5, out: 12, in: 67 }, { atEnd: true });
    agree({ T: 1, out: 8, in: 32 }, { atEnd: true });
  });

  spec(`law: ${title} gives the same bits in any ranges of rows`, () => {
    const shape = { T: 6, out: 29, in: 41 };
    const operands = operandsOf(kernel, shape);
    const whole = bitsOf(runKernel(build, kernel, shape, operands));
    for (const ends of [
      [8, 29],
      [16, 24, 29],
      [0, 24, 24, 29],
    ]) {
      const found = runKernel(build, kernel, shape, operands, { ends });
      assert.equal(bitsOf(found), whole, String(ends));
    }
  });
}

function addBoundLaws(
  spec: ReturnType<typeof suite>,
  build: KernelBuild,
  kernel: FloatKernel,
): void {
  for (const isPositive of [false, true]) {
    const signs = isPositive ? 'equal signs' : 'random signs';
    spec(`pair: ${build.name} ${kernel.name} stays within the bound on ${signs}`, () => {
      for (const inFeatures of [1, 33, 127, 1024, 5120]) {
        const shape = { T: 5, out: 11, in: inFeatures };
        const { x, weight } = operandsOf(kernel, shape, isPositive);
        const y = runKernel(build, kernel, shape, { x, weight });
        const expected = weight.mirror(x, shape.T);
        const magnitudes = new Float32Array(y.length);
        matmul(magnitudes, x.map(Math.abs), weight.dense.map(Math.abs), 5, 11, inFeatures, 0, 11);
        const factor = (isPositive ? 2 * Math.sqrt(inFeatures) : 8) * 2 ** -24;
        y.forEach((value, i) => {
          const error = Math.abs(value - expected[i]);
          assert.ok(error <= factor * magnitudes[i], `in ${inFeatures}: ${error}`);
        });
      }
    });
  }
}
