/** The speed of the matrix products in every build that this runtime can run, beside what the
 *  machine can do at most: reading memory, and integer dot products in registers. */

import {
  INT4,
  INT8,
  type IntegerKernel,
  mirrorOf,
  randomOperands,
  runKernel,
} from '../../spec/support/integer-matmul.ts';
import { bitsOf, KERNEL_BUILDS, Workbench } from '../../spec/support/kernel-builds.ts';
import { packFloats, packIntegers } from '../../spec/support/packed-weights.ts';
import { randomSource } from '../../spec/support/random.ts';
import * as exact from '../../src/kernels/reference/matmul-exact.ts';
import { matmulBf16, matmulF16, matmulF32 } from '../../src/kernels/reference/matmul-float.ts';
import type { KernelExports } from '../../src/kernels/wasm/exports.ts';
import { packedBlockBytes } from '../../src/kernels/wasm/layout.ts';
import { instantiateKernels, kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd, type Simd } from '../../src/kernels/wasm/simd.ts';
import { limitsModule } from '../peers/limits-module.ts';
import { type Summary, show, summarize } from './statistics.ts';

const K = 4096;
const TOKENS = 256;
const PAGE_BYTES = 65_536;
/** Of the weight that one token is multiplied by: far past every cache. */
const WEIGHT_BYTES = 320e6;
/** Tokens times rows of a product with many tokens: its weight stays in a cache, and one call is
 *  short enough to fall between the turns of a busy neighbour. */
const OUTPUTS = 16_384;
/** Activations of any kind and results, in front of the weight. */
const FRONT_BYTES = 64e6;
/** Finite and positive as a float16, bfloat16 or float32 of equal bytes. */
const FILL = 0x24;
const SPAN_MS = 600;
const DOT_STEPS = 400_000;

type Format = Parameters<typeof packedBlockBytes>[0];

/** Calls a kernel on tokens and a range of rows. */
type Call = (T: number, out: number, rowStart: number, rowEnd: number) => void;

/** A line per build, kernel and number of tokens.
 *  @param print receives each line as soon as it is measured */
export function printMatmulLines(print: (line: string) => void): void {
  const simds: Simd[] = chooseSimd() === 'relaxed' ? ['baseline', 'relaxed'] : ['baseline'];
  const memory = createMemory();
  for (const simd of simds) {
    const limits = measureLimits(simd);
    print(`${simd} limits: read ${show(limits.read)} GB/s, dots ${show(limits.dots)} 10⁹ op/s`);
    const kernels = instantiateKernels(memory, kernelsBinary({ simd, shared: false }));
    for (const kernel of [...INT4, ...INT8]) {
      checkInteger(simd, kernel);
      const format: Format = `int${kernel.bits}${kernel.perRow ? '-channel' : ''}`;
      const lines = linesOf(integerCall(kernel, kernels), format, limits, true);
      for (const line of lines) print(`${simd} ${kernel.name} ${line}`);
    }
    checkFloats(simd);
    for (const kernel of [...INT4, ...INT8]) checkExact(simd, kernel);
    for (const [name, format] of [
      ['matmulF32', 'f32'],
      ['matmulBf16', 'bf16'],
      ['matmulF16', 'f16'],
      ['matmulInt8Exact', 'int8'],
      ['matmulInt4Exact', 'int4'],
      ['matmulInt8ChannelExact', 'int8-channel'],
      ['matmulInt4ChannelExact', 'int4-channel'],
    ] as const) {
      const call: Call = (T, out, rowStart, rowEnd) =>
        kernels[name](0x1000000, 0x10000, FRONT_BYTES, T, out, K, rowStart, rowEnd);
      for (const line of linesOf(call, format, limits, false)) print(`${simd} ${name} ${line}`);
    }
  }
}

function createMemory(): WebAssembly.Memory {
  const pages = Math.ceil((FRONT_BYTES + WEIGHT_BYTES) / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  new Uint8Array(memory.buffer, FRONT_BYTES).fill(FILL);
  return memory;
}

/** q, scales and offsets one behind the other, of zeros: the time does not depend on numbers. */
function integerCall(kernel: IntegerKernel, kernels: KernelExports): Call {
  const qPtr = 0x10000;
  const scalesPtr = qPtr + TOKENS * K * 2;
  const offsetsPtr = scalesPtr + (TOKENS * K) / 8;
  const matmul = kernel.of(kernels);
  return (T, out, rowStart, rowEnd) =>
    matmul(
      ...([0x1000000, qPtr, scalesPtr, offsetsPtr, FRONT_BYTES, 0x2000000] as const),
      ...([T, out, K, rowStart, rowEnd] as const),
    );
}

interface Limits {
  readonly read: Summary;
  readonly dots: Summary;
}

function linesOf(call: Call, format: Format, limits: Limits, isInteger: boolean): string[] {
  const blockBytes = packedBlockBytes(format, K);
  const blocks = Math.floor(WEIGHT_BYTES / blockBytes);
  const step = Math.ceil(8e6 / blockBytes);
  const steps = Math.floor(blocks / step);
  const vector = rateOf(step * blockBytes, (turn) => {
    const start = (turn % steps) * step;
    call(1, blocks * 8, start * 8, (start + step) * 8);
  });
  const share = (part: Summary, whole: Summary) =>
    `${Math.round((100 * part.median) / whole.median)} %`;
  const lines = [`[1, ${K}]  ${show(vector)} GB/s, ${share(vector, limits.read)} of reading`];
  for (const T of [64, TOKENS]) {
    const rows = OUTPUTS / T;
    const rate = rateOf(2 * OUTPUTS * K, () => call(T, rows, 0, rows));
    const ofDots = isInteger ? `, ${share(rate, limits.dots)} of dots` : '';
    lines.push(`[${T}, ${K}]  ${show(rate)} 10⁹ op/s${ofDots}`);
  }
  return lines;
}

/** A rate in 10⁹ per second.
 *  @param amount of one run @param run is given the number of its turn */
function rateOf(amount: number, run: (turn: number) => void): Summary {
  const rates: number[] = [];
  let turn = 0;
  // The first half lets the engine reach its best code.
  for (const end = performance.now() + SPAN_MS / 2; performance.now() < end; turn += 1) run(turn);
  for (const end = performance.now() + SPAN_MS; performance.now() < end; turn += 1) {
    const begin = performance.now();
    run(turn);
    rates.push(amount / (performance.now() - begin) / 1e6);
  }
  return summarize(rates);
}

function measureLimits(simd: Simd): Limits {
  const isRelaxed = simd === 'relaxed';
  const pages = Math.ceil(WEIGHT_BYTES / PAGE_BYTES);
  const { bytes, dotsPerStep } = limitsModule(isRelaxed, pages);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const { memory, read, dot } = exports as unknown as {
    memory: WebAssembly.Memory;
    read(begin: number, end: number): number;
    dot(steps: number): number;
  };
  new Uint8Array(memory.buffer).fill(1);
  const step = 8 * 2 ** 20;
  const steps = Math.floor(memory.buffer.byteLength / step);
  return {
    read: rateOf(step, (turn) => read((turn % steps) * step, ((turn % steps) + 1) * step)),
    dots: rateOf(2 * dotsPerStep * DOT_STEPS, () => dot(DOT_STEPS)),
  };
}

function buildOf(simd: Simd) {
  const build = KERNEL_BUILDS.find(({ name }) => name === simd);
  if (build === undefined) throw new Error(`there is no ${simd} build`);
  return build;
}

/** Compares an integer kernel with its mirror, bit for bit. */
function checkInteger(simd: Simd, kernel: IntegerKernel): void {
  const operands = randomOperands(kernel, { T: 5, out: 27, in: 330 });
  const found = bitsOf(runKernel(buildOf(simd), kernel, operands));
  const expected = bitsOf(mirrorOf(kernel, operands));
  if (found.some((bits, i) => bits !== expected[i])) {
    throw new Error(`${simd} ${kernel.name} differs from its mirror`);
  }
}

const EXACT = {
  matmulInt8: ['matmulInt8Exact', exact.matmulInt8Exact],
  matmulInt4: ['matmulInt4Exact', exact.matmulInt4Exact],
  matmulInt8Channel: ['matmulInt8ChannelExact', exact.matmulInt8ChannelExact],
  matmulInt4Channel: ['matmulInt4ChannelExact', exact.matmulInt4ChannelExact],
} as const;

/** Compares the product of float32 activations with a quantized weight with its mirror. */
function checkExact(simd: Simd, kernel: IntegerKernel): void {
  const [name, mirror] = EXACT[kernel.name as keyof typeof EXACT];
  const [T, out, inFeatures] = [5, 27, 330];
  const operands = randomOperands(kernel, { T, out, in: inFeatures });
  const weight = { ...operands.weight, scales: operands.weight.scales.map(() => 0.25) };
  weight.halfScales = weight.halfScales.map(() => 0x3400); // 0.25
  const x = randomSource(1).signed(T * inFeatures);
  const build = buildOf(simd);
  const workbench = new Workbench(build);
  const yPtr = workbench.place(new Float32Array(T * out));
  const xPtr = workbench.place(x);
  const wPtr = workbench.place(packIntegers(weight, operands, kernel.bits, kernel.perRow));
  build.kernels[name](yPtr, xPtr, wPtr, T, out, inFeatures, 0, out);
  const expected = new Float32Array(T * out);
  mirror(expected, x, weight, T, out, inFeatures, 0, out);
  // |x| is at most 1, |w| at most 128 / 4.
  const bound = 8 * 2 ** -24 * inFeatures * 32;
  const found = workbench.float32(yPtr, T * out);
  if (found.some((value, i) => !(Math.abs(value - expected[i]) <= bound))) {
    throw new Error(`${simd} ${name} differs from its mirror`);
  }
}

/** Compares the float kernels with their mirror, within the bound for random signs. */
function checkFloats(simd: Simd): void {
  const [T, out, inFeatures] = [5, 27, 330];
  const x = randomSource(1).signed(T * inFeatures);
  const weight = randomSource(2).signed(out * inFeatures);
  const halves = new Uint16Array(weight.buffer).filter((_, i) => i % 2 === 1); // bfloat16
  const float16 = Uint16Array.from(weight, (_, i) => (i % 2) * 0x8000 + ((i * 7919) % 0x3c00));
  for (const [name, w, mirror] of [
    ['matmulF32', weight, matmulF32],
    ['matmulBf16', halves, matmulBf16],
    ['matmulF16', float16, matmulF16],
  ] as const) {
    const build = buildOf(simd);
    const workbench = new Workbench(build);
    const yPtr = workbench.place(new Float32Array(T * out));
    const xPtr = workbench.place(x);
    const wPtr = workbench.place(packFloats(w, out, inFeatures));
    build.kernels[name](yPtr, xPtr, wPtr, T, out, inFeatures, 0, out);
    const expected = new Float32Array(T * out);
    (mirror as typeof matmulF32)(expected, x, w as Float32Array, T, out, inFeatures, 0, out);
    // |x| and |w| are at most 1.
    const bound = 8 * 2 ** -24 * inFeatures;
    const found = workbench.float32(yPtr, T * out);
    if (found.some((value, i) => !(Math.abs(value - expected[i]) <= bound))) {
      throw new Error(`${simd} ${name} differs from its mirror`);
    }
  }
}
