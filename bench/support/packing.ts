/** Packing weights for the matrix kernels, and quantizing them on the way: tasks of the kernel
 *  bench, each compared with its mirror on the very numbers that it is timed with. */

import * as blocks from '../../src/kernels/reference/pack-blocks.ts';
import * as channel from '../../src/kernels/reference/pack-channel.ts';
import * as floats from '../../src/kernels/reference/pack-floats.ts';
import * as groups from '../../src/kernels/reference/pack-groups.ts';
import { packedBlockBytes } from '../../src/kernels/reference/packed-layout.ts';
import { instantiateKernels } from '../../src/kernels/wasm/module.ts';

/** Rows as long as a linear layer's, and so few that they stay in the cache, as a loader's do. */
const ROWS = 64;
const COLUMNS = 4096;
const COUNT = ROWS * COLUMNS;

const PAGE_BYTES = 65_536;

export interface PackingTask {
  readonly name: string;
  /** Read and written. */
  readonly bytes: number;
  readonly run: () => void;
}

interface Packing {
  readonly kernel:
    | 'packF32'
    | 'packHalf'
    | 'packInt8'
    | 'packInt4'
    | 'packInt8Channel'
    | 'packInt4Channel'
    | 'packQ8_0'
    | 'packQ4_0';
  readonly type: Parameters<typeof packedBlockBytes>[0];
  readonly inputBytes: number;
  /** Writes the packed bytes with the mirror. */
  mirror(packed: Uint8Array, input: ArrayBuffer): void;
}

const PACKINGS: readonly Packing[] = [
  {
    ...{ kernel: 'packF32', type: 'float32', inputBytes: 4 * COUNT },
    mirror: ({ buffer }, input) =>
      floats.packF32(new Uint32Array(buffer), new Uint32Array(input), ROWS, COLUMNS, 0, ROWS),
  },
  {
    ...{ kernel: 'packHalf', type: 'half', inputBytes: 2 * COUNT },
    mirror: ({ buffer }, input) =>
      floats.packHalf(new Uint16Array(buffer), new Uint16Array(input), ROWS, COLUMNS, 0, ROWS),
  },
  quantizing('packInt8', 'int8', groups.packInt8),
  quantizing('packInt4', 'int4', groups.packInt4),
  quantizing('packInt8Channel', 'int8-channel', channel.packInt8Channel),
  quantizing('packInt4Channel', 'int4-channel', channel.packInt4Channel),
  {
    ...{ kernel: 'packQ8_0', type: 'int8', inputBytes: (34 * COUNT) / 32 },
    mirror: (packed, input) =>
      blocks.packQ8_0(packed, new Uint8Array(input), ROWS, COLUMNS, 0, ROWS),
  },
  {
    ...{ kernel: 'packQ4_0', type: 'int4', inputBytes: (18 * COUNT) / 32 },
    mirror: (packed, input) =>
      blocks.packQ4_0(packed, new Uint8Array(input), ROWS, COLUMNS, 0, ROWS),
  },
];

function quantizing(
  kernel: Packing['kernel'],
  type: Packing['type'],
  pack: typeof groups.packInt4,
): Packing {
  const mirror: Packing['mirror'] = (packed, input) =>
    pack(packed, new Float32Array(input), ROWS, COLUMNS, 0, ROWS);
  return { kernel, type, inputBytes: 4 * COUNT, mirror };
}

/** A task for every packing kernel, and one for all that loading bfloat16 as int4 takes. */
export function packingTasks(): PackingTask[] {
  const memory = new WebAssembly.Memory({ initial: 64 });
  const kernels = instantiateKernels(memory);
  const wPtr = Math.ceil(Number(kernels.heapBase.value) / PAGE_BYTES) * PAGE_BYTES;
  const xPtr = wPtr + 4 * COUNT;
  const halfPtr = xPtr + 4 * COUNT;
  // bfloat16 of magnitudes up to 0.1: they are float32 rows, 16-bit rows and file blocks in turn.
  const weights = Float32Array.from({ length: COUNT }, (_, i) => {
    return 0.1 * Math.sin(i * 12.9898) * Math.sin(i * 78.233);
  });

  const tasks = PACKINGS.map((packing): PackingTask => {
    const { kernel, type, inputBytes, mirror } = packing;
    const input = weights.buffer.slice(0, inputBytes);
    const expected = new Uint8Array((ROWS / 8) * packedBlockBytes(type, COLUMNS));
    mirror(expected, input);
    const run = () => {
      kernels[kernel](wPtr, xPtr, ROWS, COLUMNS, 0, ROWS);
    };
    new Uint8Array(memory.buffer, xPtr, inputBytes).set(new Uint8Array(input));
    run();
    const found = new Uint8Array(memory.buffer, wPtr, expected.length);
    if (found.some((byte, index) => byte !== expected[index])) {
      throw new Error(`${kernel} differs from its mirror`);
    }
    const bytes = inputBytes + expected.length;
    return { name: `${kernel} [${ROWS}, ${COLUMNS}]`, bytes, run };
  });

  const upperHalves = Uint16Array.from(new Uint32Array(weights.buffer), (bits) => bits >>> 16);
  new Uint16Array(memory.buffer, halfPtr, COUNT).set(upperHalves);
  const load = () => {
    kernels.widenBf16(xPtr, halfPtr, COUNT);
    kernels.packInt4(wPtr, xPtr, ROWS, COLUMNS, 0, ROWS);
  };
  const name = `bfloat16 to int4 [${ROWS}, ${COLUMNS}], GB/s of source`;
  return [...tasks, { name, bytes: 2 * COUNT, run: load }];
}
