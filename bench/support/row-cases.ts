/** The kernels between the products, with the sizes of a 13B layer and 64 tokens: tasks of the
 *  kernel bench, each compared with its mirror on the very numbers that it is timed with. */

import {
  appendKeyValueF32,
  appendKeyValueInt8,
} from '../../src/kernels/reference/append-key-value.ts';
import { exp } from '../../src/kernels/reference/exp.ts';
import * as gather from '../../src/kernels/reference/gather.ts';
import { quantizeActivations } from '../../src/kernels/reference/quantize-activations.ts';
import { quantizeRowsQ8 } from '../../src/kernels/reference/quantize-rows.ts';
import { rmsNorm } from '../../src/kernels/reference/rms-norm.ts';
import { rotateHalves } from '../../src/kernels/reference/rotate-halves.ts';
import { add, columns } from '../../src/kernels/reference/rows.ts';
import { siluMul } from '../../src/kernels/reference/silu-mul.ts';
import { softmax } from '../../src/kernels/reference/softmax.ts';
import { cacheBlockBytes } from '../../src/kernels/wasm/layout.ts';
import { instantiateKernels, kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';

const [T, C, F, H, D, V] = [64, 5120, 13_696, 40, 128, 2000];
const GROUPS = C / 32;
const PAGE_BYTES = 65_536;

type Numbers = Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array | Int8Array;

/** A kernel's arguments: arrays stand for pointers, a list of arrays for a table of pointers. */
type Argument = number | Numbers | readonly Numbers[];

interface RowCase {
  readonly name: string;
  readonly args: readonly Argument[];
  /** Which arguments are results. */
  readonly results: readonly number[];
  readonly mirror: (...args: never[]) => void;
  /** Greatest difference, relative to the larger of 1 and the number itself; 0 where bits agree. */
  readonly tolerance?: number;
}

export interface RowTask {
  readonly name: string;
  /** Of all arrays, read and written. */
  readonly bytes: number;
  readonly run: () => void;
}

const random = (length: number, scale = 1) =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(i * 12.9898 + length));
const floats = (length: number) => new Float32Array(length);
const bits = (length: number) => Uint16Array.from({ length }, (_, i) => (i * 40_503) % 0x7c00);
const ids = Uint32Array.from({ length: T }, (_, i) => (i * 31) % V);
const fileBlocks = Uint8Array.from({ length: V * GROUPS * 34 }, (_, i) => (i * 37) % 120);
const cacheOf = (format: 'f32' | 'int8') => cacheBlockBytes(format, H, D);

/** Quantized activations of the baseline build are wider, in another order. */
const isRelaxed = chooseSimd() === 'relaxed';

const CASES: readonly RowCase[] = [
  {
    ...{ name: 'rmsNorm', results: [0], mirror: rmsNorm, tolerance: 1e-6 },
    args: [floats(T * C), random(T * C), random(C), 1e-6, C, 0, T],
  },
  {
    ...{ name: 'rotateHalves', results: [0], mirror: rotateHalves },
    args: [floats(T * C), random(T * C), random((T * D) / 2), random((T * D) / 2), H, D, 0, T],
  },
  {
    ...{ name: 'siluMul', results: [0], mirror: siluMul },
    args: [floats(T * F), random(T * F, 5), random(T * F), 0, 0, T * F],
  },
  {
    ...{ name: 'softmax', results: [0], mirror: softmax, tolerance: 1e-6 },
    args: [floats(T * 4096), random(T * 4096, 9), 4096, 0, T],
  },
  {
    ...{ name: 'exp', results: [0], mirror: exp },
    args: [floats(T * 4096), random(T * 4096, 9), 0, T * 4096],
  },
  {
    ...{ name: 'add', results: [0], mirror: add },
    args: [floats(T * C), random(T * C), random(T * C, 2), 0, T * C],
  },
  {
    ...{ name: 'columns', results: [0], mirror: columns },
    args: [floats(T * C), random(3 * T * C), C, C, 3 * C, 0, T],
  },
  {
    ...{ name: 'gatherF32', results: [0], mirror: gather.gatherF32 },
    args: [floats(T * C), random(V * C), ids, C, 0, T],
  },
  {
    ...{ name: 'gatherBf16', results: [0], mirror: gather.gatherBf16 },
    args: [floats(T * C), bits(V * C), ids, C, 0, T],
  },
  {
    ...{ name: 'gatherF16', results: [0], mirror: gather.gatherF16 },
    args: [floats(T * C), bits(V * C), ids, C, 0, T],
  },
  {
    ...{ name: 'gatherInt8', results: [0], mirror: gather.gatherInt8 },
    args: [floats(T * C), fileBlocks, ids, C, 0, T],
  },
  {
    ...{ name: 'quantizeRowsQ8', results: [0], mirror: quantizeRowsQ8 },
    args: [new Uint8Array(T * GROUPS * 34), random(T * C), C, 0, T],
  },
  {
    ...{ name: 'quantizeActivations', mirror: quantizeActivations },
    results: isRelaxed ? [0, 1, 2] : [1, 2],
    args: [
      ...[new Int8Array(T * C * 2), floats(T * GROUPS), new Int32Array(T * GROUPS)],
      ...[random(T * C), T, C, 0, T],
    ],
  },
  {
    ...{ name: 'appendKeyValueF32', results: [0], mirror: appendKeyValueF32 },
    args: [[floats(cacheOf('f32') / 4)], random(T * C), random(T * C, 2), H, D, 0, 0, T],
  },
  {
    ...{ name: 'appendKeyValueInt8', results: [0], mirror: appendKeyValueInt8 },
    args: [[new Int8Array(cacheOf('int8'))], random(T * C), random(T * C, 2), H, D, 0, 0, T],
  },
];

/** The tasks, checked. @throws Error when a kernel differs from its mirror */
export function rowTasks(): RowTask[] {
  return CASES.map(taskOf);
}

function taskOf({ name, args, results, mirror, tolerance = 0 }: RowCase): RowTask {
  const arrays = args.flat().filter((value) => typeof value !== 'number');
  const sizes = arrays.map(({ byteLength }) => byteLength);
  const pages = Math.ceil(sizes.reduce((sum, size) => sum + size + 64, 0) / PAGE_BYTES) + 2;
  // Of a table, the rows that are gathered.
  const touched = sizes.map((size, i) =>
    name.startsWith('gather') && i === 1 ? (size * T) / V : size,
  );
  const bytes = touched.reduce((sum, size) => sum + size, 0);
  const memory = new WebAssembly.Memory({ initial: pages });
  const binary = kernelsBinary({ simd: isRelaxed ? 'relaxed' : 'baseline', shared: false });
  const kernels = instantiateKernels(memory, binary);
  let free = Number(kernels.heapBase.value);
  const place = (array: Numbers) => {
    const pointer = Math.ceil(free / 64) * 64;
    free = pointer + array.byteLength;
    const source = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    new Uint8Array(memory.buffer).set(source, pointer);
    return pointer;
  };
  const pointers = args.map((value) => {
    if (typeof value === 'number') return value;
    return Array.isArray(value) ? place(Uint32Array.from(value, place)) : place(value as Numbers);
  });
  const kernel = kernels[name] as (...numbers: number[]) => void;
  const run = () => kernel(...pointers);
  run();
  // A missing array is null for the mirror, 0 for the kernel.
  const mirrored = args.map((value, i) =>
    value === 0 && name === 'siluMul' && i === 3 ? null : value,
  );
  (mirror as (...values: unknown[]) => void)(...mirrored);
  for (const index of results) {
    const expected = args[index];
    const [array, pointer] = Array.isArray(expected)
      ? [expected[0] as Numbers, new Uint32Array(memory.buffer, pointers[index], 1)[0]]
      : [expected as Numbers, pointers[index]];
    expectSame(name, array, memory, pointer, tolerance);
  }
  return { name: `${name} [${T}, …]`, bytes, run };
}

function expectSame(
  name: string,
  expected: Numbers,
  { buffer }: WebAssembly.Memory,
  pointer: number,
  tolerance: number,
): void {
  const Kind = expected.constructor as new (b: ArrayBufferLike, at: number, n: number) => Numbers;
  // Of quantized activations the narrow build fills the first half.
  const length =
    name === 'quantizeActivations' && expected.length === T * C * 2 ? T * C : expected.length;
  const found = new Kind(buffer, pointer, length);
  for (let i = 0; i < length; i++) {
    const limit = tolerance * Math.max(1, Math.abs(expected[i]));
    if (Math.abs(found[i] - expected[i]) <= limit || Object.is(found[i], expected[i])) continue;
    throw new Error(`${name} differs from its mirror at ${i}: ${found[i]}, ${expected[i]}`);
  }
}
