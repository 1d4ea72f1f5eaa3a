/** The laws of the integer matrix products, for one width of the weight. */

import type { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as int4 from '../../src/kernels/reference/matmul-int4.ts';
import * as int8 from '../../src/kernels/reference/matmul-int8.ts';
import type { IntegerMatmul, KernelExports } from '../../src/kernels/wasm/exports.ts';
import { matmulScratchBytes } from '../../src/kernels/wasm/layout.ts';
import {
  bitsOf,
  KERNEL_BUILDS,
  type KernelBuild,
  packActivations,
  Workbench,
} from './kernel-builds.ts';
import { type CaseWeight, fromHalf, packIntegers } from './packed-weights.ts';
import { randomSource } from './random.ts';
import { randomIntegers } from './random-integers.ts';

const GROUP = 32;

export interface IntegerKernel {
  readonly name: string;
  readonly bits: 4 | 8;
  readonly perRow: boolean;
  readonly mirror: typeof int4.matmulInt4;
  readonly of: (kernels: KernelExports) => IntegerMatmul;
}

export const INT4: readonly IntegerKernel[] = [
  { name: 'matmulInt4', bits: 4, perRow: false, mirror: int4.matmulInt4, of: (k) => k.matmulInt4 },
  {
    name: 'matmulInt4Channel',
    bits: 4,
    perRow: true,
    mirror: int4.matmulInt4Channel,
    of: (k) => k.matmulInt4Channel,
  },
];

export const INT8: readonly IntegerKernel[] = [
  { name: 'matmulInt8', bits: 8, perRow: false, mirror: int8.matmulInt8, of: (k) => k.matmulInt8 },
  {
    name: 'matmulInt8Channel',
    bits: 8,
    perRow: true,
    mirror: int8.matmulInt8Channel,
    of: (k) => k.matmulInt8Channel,
  },
];

export interface Shape {
  readonly T: number;
  readonly out: number;
  readonly in: number;
}

interface Operands extends Shape {
  readonly q: Int8Array;
  readonly scales: Float32Array;
  readonly offsets: Int32Array;
  readonly weight: CaseWeight;
}

/** float16 scales of every kind under 2: both signs, zero, subnormal, the largest. */
const HALF_SCALES = [0x2400, 0xa666, 0x0001, 0x83ff, 0x3fff, 0xbfff, 0x0400, 0x3c00, 0, 0x8000];

/** One scale of some rows: the largest of all, infinities and NaN. Kernels may tell these from the
 *  others by their exponent, so blocks of rows that have none of them must be tried as well. */
const RARE_SCALES = {
  none: [],
  large: [0x4000, 0xfbff, 0x7bff, 0xc000],
  special: [0x7c00, 0xfc00, 0x7e00],
};
type Rare = keyof typeof RARE_SCALES;

/** Random operands that fill their ranges: q −127…127, values to their lowest, odd scales.
 *  @param rare what some rows hold besides */
export function randomOperands(
  { bits, perRow }: IntegerKernel,
  shape: Shape,
  rare: Rare = 'none',
): Operands {
  const { T, out, in: inFeatures } = shape;
  const G = Math.ceil(inFeatures / GROUP);
  const seed = 1 + T + 31 * out + 1009 * inFeatures;
  const limit = 2 ** (bits - 1);
  const values = Int8Array.from(randomIntegers(seed, out * inFeatures, -limit, limit - 1));
  const picks = randomIntegers(seed + 1, out * G, 0, 4 * HALF_SCALES.length);
  const halfScales = Uint16Array.from(picks, (pick) => HALF_SCALES[pick] ?? 0x2000 + 37 * pick);
  const rowScales = randomSource(seed + 2).signed(out, 0.1);
  const rareScales: readonly number[] = RARE_SCALES[rare];
  const rareFloats = fromHalf(Uint16Array.from(rareScales));
  for (let o = 0; o < out && inFeatures > 0; o += 1) {
    const which = o % (rareScales.length + 2);
    if (which >= rareScales.length) continue;
    halfScales[o * G + ((5 * o) % G)] = rareScales[which];
    rowScales[o] = rareFloats[which];
  }
  const q = Int8Array.from(randomIntegers(seed + 3, T * G * GROUP, -127, 127));
  // Zeros past `inFeatures`, which only the last group has.
  for (let i = (G - 1) * T * GROUP; i < q.length; i += 1) {
    if ((G - 1) * GROUP + (i % GROUP) >= inFeatures) q[i] = 0;
  }
  const scales = perRow ? rowScales : fromHalf(halfScales);
  const weight = { values, scales, halfScales };
  return {
    ...shape,
    q,
    scales: randomSource(seed + 4).positive(T * G),
    offsets: offsetsOf(q),
    weight,
  };
}

/** −8 · Σ q of every group. */
function offsetsOf(q: Int8Array): Int32Array {
  const offsets = new Int32Array(q.length / GROUP);
  q.forEach((value, i) => {
    offsets[Math.floor(i / GROUP)] -= 8 * value;
  });
  return offsets;
}

/** y by the mirror, all rows. */
export function mirrorOf({ mirror }: IntegerKernel, operands: Operands): Float32Array {
  const { T, out, in: inFeatures, q, scales, offsets, weight } = operands;
  const y = new Float32Array(T * out);
  mirror(y, q, scales, offsets, weight, T, out, inFeatures, 0, out);
  return y;
}

/** y by the kernel, in the given ranges of rows; nothing but those may have been written.
 *  @param shift of every pointer past a multiple of 16 bytes */
export function runKernel(
  build: KernelBuild,
  kernel: IntegerKernel,
  operands: Operands,
  { shift = 0, ends = [operands.out], atEnd = false } = {},
): Float32Array {
  const { T, out, in: inFeatures, q, scales, offsets, weight } = operands;
  const workbench = new Workbench(build);
  const packed = packIntegers(weight, operands, kernel.bits, kernel.perRow);
  const yPtr = workbench.place(new Float32Array(T * out).fill(-7), shift);
  const qPtr = workbench.place(packActivations(q, build), shift);
  const scalesPtr = workbench.place(scales, shift);
  const offsetsPtr = workbench.place(offsets, shift);
  const scratchBytes = matmulScratchBytes(kernel.bits === 4 ? 'int4' : 'int8', T, out);
  const scratchPtr = workbench.place(new Uint8Array(scratchBytes), shift);
  const wPtr = atEnd ? workbench.placeLast(packed) : workbench.place(packed, shift);
  let begin = 0;
  for (const end of ends) {
    workbench.remember();
    const matmul = kernel.of(build.kernels);
    matmul(yPtr, qPtr, scalesPtr, offsetsPtr, wPtr, scratchPtr, T, out, inFeatures, begin, end);
    const rows = Array.from({ length: T }, (_, t) => yPtr + 4 * t * out);
    // Of scratch, a range may use what belongs to its own row blocks.
    const scratch = [begin, end].map(
      (row) => scratchPtr + (scratchBytes * Math.ceil(row / 8)) / Math.ceil(out / 8),
    );
    const changed = workbench.changedOutside([
      ...rows.map((row) => [row + 4 * begin, row + 4 * end] as const),
      [scratch[0], scratch[1]],
    ]);
    assert.is(changed, 0, `${changed} bytes outside rows ${begin} to ${end} changed`);
    begin = end;
  }
  return workbench.float32(yPtr, T * out);
}

/** Adds every law of one table of kernels to a suite. */
export function addIntegerLaws(spec: ReturnType<typeof suite>, table: readonly IntegerKernel[]) {
  for (const build of KERNEL_BUILDS) {
    for (const kernel of table) {
      addPairs(spec, build, kernel);
      addLaws(spec, build, kernel);
      addEnds(spec, build, kernel);
    }
  }
}

function addPairs(spec: ReturnType<typeof suite>, build: KernelBuild, kernel: IntegerKernel): void {
  const title = `${build.name} ${kernel.name}`;
  const agree = (shape: Shape, options = {}) => {
    for (const rare of ['none', 'large', 'special'] as const) {
      const operands = randomOperands(kernel, shape, rare);
      const found = runKernel(build, kernel, operands, options);
      const { T, out, in: inFeatures } = shape;
      const where = `[${T}, ${inFeatures}] × [${out}, ${inFeatures}] ${JSON.stringify(options)}`;
      assert.equal(bitsOf(found), bitsOf(mirrorOf(kernel, operands)), `${where} ${rare}`);
    }
  };

  spec(`pair: ${title} agrees bit for bit at every length 0 to 67 and alignment`, () => {
    for (let length = 0; length <= 67; length += 1) {
      const [T, out] = [[1, 4, 7, 2][length % 4], (length % 19) + 1];
      agree({ T, out, in: length }, { shift: 4 * (length % 4) });
      agree({ T: (length % 9) + 1, out: 9, in: length }, { shift: 12 - 4 * (length % 4) });
    }
  });

  spec(`pair: ${title} agrees for 0 to 9 tokens and 1 to 19 rows`, () => {
    for (let T = 0; T <= 9; T += 1) {
      for (let out = 1; out <= 19; out += 1) agree({ T, out, in: 43 });
    }
  });

  spec(`pair: ${title} agrees on the sizes of real layers, up to the last byte of memory`, () => {
    agree({ T: 5, out: 24, in: 5120 }, { atEnd: true });
    agree({ T: 67, out: 19, in: 1056 });
    agree({ T: 132, out: 8, in: 96 }, { shift: 4 });
    agree({ T: 1, out: 136, in: 1024 }, { atEnd: true });
    agree({ T: 2, out: 8, in: 13_696 });
  });
}

function addLaws(spec: ReturnType<typeof suite>, build: KernelBuild, kernel: IntegerKernel): void {
  const title = `${build.name} ${kernel.name}`;

  spec(`law: ${title} gives the same bits in any ranges of rows`, () => {
    const operands = randomOperands(kernel, { T: 6, out: 29, in: 70 }, 'special');
    const whole = bitsOf(mirrorOf(kernel, operands));
    for (const ends of [
      [8, 29],
      [16, 24, 29],
      [0, 24, 24, 29],
      [8, 16, 24, 29],
    ]) {
      assert.equal(bitsOf(runKernel(build, kernel, operands, { ends })), whole, String(ends));
    }
  });

  spec(`law: ${title} gives a token the same bits alone and among others`, () => {
    const operands = randomOperands(kernel, { T: 7, out: 11, in: 100 }, 'special');
    const whole = runKernel(build, kernel, operands);
    for (let t = 0; t < 7; t += 1) {
      const q = operands.q.filter((_, i) => Math.floor(i / GROUP) % 7 === t);
      const scales = operands.scales.filter((_, i) => i % 7 === t);
      const alone = runKernel(build, kernel, {
        ...operands,
        T: 1,
        q,
        scales,
        offsets: offsetsOf(q),
      });
      assert.equal(bitsOf(alone), bitsOf(whole.slice(11 * t, 11 * t + 11)), `token ${t}`);
    }
  });
}

function addEnds(spec: ReturnType<typeof suite>, build: KernelBuild, kernel: IntegerKernel): void {
  const title = `${build.name} ${kernel.name}`;

  spec(`golden: ${title} spreads infinities and NaN over their rows and no others`, () => {
    const special = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    for (const T of [1, 2, 5, 64]) {
      const base = randomOperands(kernel, { T, out: 16, in: 96 }, 'special');
      const q = new Int8Array(T * 96).fill(1);
      const weight = { ...base.weight, values: new Int8Array(16 * 96).fill(1) };
      const y = runKernel(build, kernel, { ...base, q, offsets: offsetsOf(q), weight });
      for (const [i, value] of y.entries()) {
        const expected = special[(i % 16) % 5];
        if (expected === undefined) assert.ok(Number.isFinite(value), `row ${i % 16} is ${value}`);
        else assert.ok(Object.is(value, expected), `row ${i % 16} is ${value}, not ${expected}`);
      }
    }
  });

  spec(`golden: ${title} is exact at the ends of the ranges`, () => {
    const lowest = -(2 ** (kernel.bits - 1));
    for (const [activation, value] of [
      [127, lowest],
      [-127, lowest],
      [127, -lowest - 1],
    ]) {
      const shape = { T: 5, out: 9, in: 64 };
      const base = randomOperands(kernel, shape);
      const q = new Int8Array(5 * 64).fill(activation);
      const values = new Int8Array(9 * 64).fill(value);
      const halfScales = new Uint16Array(18).fill(0x3c00);
      const weight = { values, halfScales, scales: new Float32Array(18).fill(1) };
      const scales = new Float32Array(10).fill(1);
      const y = runKernel(build, kernel, { ...base, q, offsets: offsetsOf(q), scales, weight });
      assert.equal([...y], Array(45).fill(64 * activation * value));
    }
  });
}
