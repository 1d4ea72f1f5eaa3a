/** Cases of attention for the kernel bench: one layer of a 13B model (40 heads of 128), one token
 *  over 4096 positions and 64 tokens from position 2048 on, with the slopes of ALiBi and without,
 *  over both kinds of cache. Each result has been compared with its mirror. */

import type { Bench } from 'tinybench';
import { attentionF32 } from '../../src/kernels/reference/attention-f32.ts';
import { attentionInt8 } from '../../src/kernels/reference/attention-int8.ts';
import { attentionScratchBytes } from '../../src/kernels/wasm/cache.ts';
import type { KernelExports } from '../../src/kernels/wasm/exports.ts';
import { type CacheFormat, cacheBlockBytes } from '../../src/kernels/wasm/layout.ts';
import { instantiateKernels, kernelsBinary } from '../../src/kernels/wasm/module.ts';
import { chooseSimd } from '../../src/kernels/wasm/simd.ts';
import { alibiSlopes } from '../../src/layers/alibi.ts';

const [H, D] = [40, 128];
const ROW_BYTES = 4 * H * D;
const BLOCK = 64;
const PAGE_BYTES = 65_536;

/** Layers whose caches are read in turn, so that the processor's cache holds none of them. */
const LAYERS: Record<CacheFormat, number> = { f32: 1, int8: 4 };

const APPEND = { f32: 'appendKeyValueF32', int8: 'appendKeyValueInt8' } as const;
const ATTEND = { f32: 'attentionF32', int8: 'attentionInt8' } as const;

interface Shape {
  readonly format: CacheFormat;
  readonly position: number;
  readonly count: number;
  readonly isBiased: boolean;
}

/** One memory with the caches of some layers, and room for queries and results. */
interface Setup {
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
  /** Tables of block pointers, one for each layer. */
  readonly tables: readonly number[];
  readonly q: number;
  readonly y: number;
  readonly slopes: number;
  readonly scratch: number;
  readonly stride: number;
}

/** Adds the cases. `bytesOf` has the bytes of the cache that a run reads without slopes, and
 *  `operationsOf` its multiplications and additions, by the name of the task. */
export function addAttentionCases(bench: Bench): {
  bytesOf: Map<string, number>;
  operationsOf: Map<string, number>;
} {
  const [bytesOf, operationsOf] = [new Map<string, number>(), new Map<string, number>()];
  for (const format of ['f32', 'int8'] as const) {
    for (const [position, count] of [
      [4095, 1],
      [2048, 64],
    ] as const) {
      for (const isBiased of [false, true]) {
        const shape = { format, position, count, isBiased };
        const setup = createSetup(shape);
        expectMirror(shape, setup);
        const bias = isBiased ? ', ALiBi' : '';
        const name = `attention ${format} [${count}, ${H}, ${D}] at ${position}${bias}`;
        const blocks = Math.ceil((position + count) / BLOCK);
        bytesOf.set(name, blocks * cacheBlockBytes(format, H, D));
        operationsOf.set(name, 4 * H * D * count * (position + (count + 1) / 2));
        let layer = 0;
        bench.add(name, () => {
          layer = (layer + 1) % setup.tables.length;
          run(shape, setup, layer);
        });
      }
    }
  }
  return { bytesOf, operationsOf };
}

function run({ format, position, count, isBiased }: Shape, setup: Setup, layer: number): void {
  const { kernels, y, q, tables, slopes, scratch, stride } = setup;
  const sizes = [H, D, position, count, 1 / Math.sqrt(D)] as const;
  const rest = [isBiased ? slopes : 0, 0, 0, scratch, stride, 0, H] as const;
  kernels[ATTEND[format]](y, q, tables[layer], ...sizes, ...rest);
}

function createSetup({ format, position, count }: Shape): Setup {
  const positions = position + count;
  const blocks = Math.ceil(positions / BLOCK);
  const blockBytes = cacheBlockBytes(format, H, D);
  const stride = attentionScratchBytes(positions, D);
  const layers = LAYERS[format];
  const byteLength =
    layers * blocks * (blockBytes + 128) + H * stride + (2 * count + 2 * BLOCK) * ROW_BYTES;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(byteLength / PAGE_BYTES) + 2 });
  const kernels = instantiateKernels(memory, kernelsBinary({ simd: chooseSimd(), shared: false }));
  let free = Number(kernels.heapBase.value);
  const allocate = (bytes: number) => {
    const pointer = Math.ceil(free / 64) * 64;
    free = pointer + bytes;
    return pointer;
  };
  const fill = (pointer: number, length: number, scale: number) => {
    const floats = new Float32Array(memory.buffer, pointer, length);
    for (let i = 0; i < length; i++) floats[i] = scale * Math.sin(i * 12.9898 + length);
  };

  const [q, y] = [allocate(count * ROW_BYTES), allocate(count * ROW_BYTES)];
  fill(q, count * H * D, 3);
  const [slopes, scratch] = [allocate(4 * H), allocate(H * stride)];
  new Float32Array(memory.buffer, slopes, H).set(alibiSlopes(H));
  const rows = allocate(2 * BLOCK * ROW_BYTES);
  fill(rows, 2 * BLOCK * H * D, 1);
  const tables = Array.from({ length: layers }, () => {
    const table = allocate(4 * blocks);
    for (let block = 0; block < blocks; block++) {
      new Uint32Array(memory.buffer, table, blocks)[block] = allocate(blockBytes);
      const values = rows + BLOCK * ROW_BYTES;
      kernels[APPEND[format]](table, rows, values, H, D, block * BLOCK, 0, BLOCK);
    }
    return table;
  });
  return { memory, kernels, tables, q, y, slopes, scratch, stride };
}

/** Compares the last query of two heads with the mirror: int8 bit for bit, float32 within 2e-6.
 *  A query does not depend on the others, so that it can be done as the only one. */
function expectMirror(shape: Shape, setup: Setup): void {
  const { format, position, count, isBiased } = shape;
  const { memory, tables } = setup;
  run(shape, setup, 0);
  const last = 4 * (count - 1) * H * D;
  const [found, q] = [setup.y, setup.q].map(
    (pointer) => new Float32Array(memory.buffer, pointer + last, H * D),
  );
  const expected = new Float32Array(H * D);
  const blocks = Math.ceil((position + count) / BLOCK);
  const pointers = [...new Uint32Array(memory.buffer, tables[0], blocks)];
  const length = cacheBlockBytes(format, H, D);
  const sizes = [H, D, position + count - 1, 1, 1 / Math.sqrt(D)] as const;
  const rest = [isBiased ? alibiSlopes(H) : null, null, null, 0, 2] as const;
  if (format === 'f32') {
    const table = pointers.map((at) => new Float32Array(memory.buffer, at, length / 4));
    attentionF32(expected, q, table, ...sizes, ...rest);
  } else {
    const table = pointers.map((at) => new Int8Array(memory.buffer, at, length));
    attentionInt8(expected, q, table, ...sizes, ...rest);
  }
  const tolerance = format === 'f32' ? 2e-6 : 0;
  for (let i = 0; i < 2 * D; i++) {
    if (!(Math.abs(found[i] - expected[i]) <= tolerance)) {
      throw new Error(`attention ${format} differs from its mirror: ${found[i]}, ${expected[i]}`);
    }
  }
}
