/** Packing weights for the matrix kernels, and quantizing them on the way: tasks of the kernel
 *  bench, each compared with its mirror on the very numbers that it is timed with. */

import * as blocks from '../../src/kernels/reference/pack-blocks.ts';
import * as channel from '../../src/kernels/reference/pack-channel.ts';
import * as floats from '../../src/kernels/reference/pack-floats.ts';
import * as groups from '../../src/kernels/reference/pack-groups.ts';
import { packedBlockBytes } from '../../src/kernels/reference/packed-layout.ts';
import type { KernelExports } from '../../src/kernels/wasm/exports.ts';
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

type Type = Parameters<typeof packedBlockBytes>[0];
type RowKernel =
  | 'packF32'
  | 'packHalf'
  | 'packInt8'
  | 'packInt4'
  | 'packInt8Channel'
  | 'packInt4Channel'
  | 'packQ8_0'
  | 'packQ4_0';
type ValueKernel = 'packInt8ChannelValues' | 'packInt4ChannelValues';

interface Packing {
  readonly kernel: RowKernel | ValueKernel;
  readonly type: Type;
  /** @param weights float32 of `COUNT` numbers, which rows and blocks of any kind may be made of */
  input(weights: ArrayBuffer): ArrayBuffer;
  run(kernels: KernelExports, wPtr: number, xPtr: number): void;
  /** Writes the packed bytes with the mirror. */
  mirror(packed: Uint8Array, input: ArrayBuffer): void;
}

/** The arguments of every kernel and mirror behind its pointers. */
const WHOLE = [ROWS, COLUMNS, 0, ROWS] as const;

const PACKINGS: readonly Packing[] = [
  packing('packF32', 'float32', 4 * COUNT, ({ buffer }, input) =>
    floats.packF32(new Uint32Array(buffer), new Uint32Array(input), ...WHOLE),
  ),
  packing('packHalf', 'half', 2 * COUNT, ({ buffer }, input) =>
    floats.packHalf(new Uint16Array(buffer), new Uint16Array(input), ...WHOLE),
  ),
  quantizing('packInt8', 'int8', groups.packInt8),
  quantizing('packInt4', 'int4', groups.packInt4),
  quantizing('packInt8Channel', 'int8-channel', channel.packInt8Channel),
  quantizing('packInt4Channel', 'int4-channel', channel.packInt4Channel),
  packingValues('packInt8ChannelValues', 'int8-channel', 254, channel.packInt8ChannelValues),
  packingValues('packInt4ChannelValues', 'int4-channel', 16, channel.packInt4ChannelValues),
  packing('packQ8_0', 'int8', (34 * COUNT) / 32, (packed, input) =>
    blocks.packQ8_0(packed, new Uint8Array(input), ...WHOLE),
  ),
  packing('packQ4_0', 'int4', (18 * COUNT) / 32, (packed, input) =>
    blocks.packQ4_0(packed, new Uint8Array(input), ...WHOLE),
  ),
];

/** The input is the first bytes of the weights. */
function packing(
  kernel: RowKernel,
  type: Type,
  inputBytes: number,
  mirror: Packing['mirror'],
): Packing {
  return {
    ...{ kernel, type, mirror },
    input: (weights) => weights.slice(0, inputBytes),
    run: (kernels, wPtr, xPtr) => kernels[kernel](wPtr, xPtr, ...WHOLE),
  };
}

function quantizing(kernel: RowKernel, type: Type, pack: typeof groups.packInt4): Packing {
  return packing(kernel, type, 4 * COUNT, (packed, input) =>
    pack(packed, new Float32Array(input), ...WHOLE),
  );
}

/** The input is integers, one a byte, then a float32 scale for each row.
 *  @param levels how many integers there are, around 0 */
function packingValues(
  kernel: ValueKernel,
  type: Type,
  levels: number,
  pack: typeof channel.packInt8ChannelValues,
): Packing {
  return {
    ...{ kernel, type },
    input: (weights) => {
      const input = new Int8Array(COUNT + 4 * ROWS);
      new Uint8Array(weights, 0, COUNT).forEach((byte, i) => {
        input[i] = (byte % levels) - levels / 2;
      });
      new Float32Array(input.buffer, COUNT).set(new Float32Array(weights, 0, ROWS));
      return input.buffer;
    },
    run: (kernels, wPtr, xPtr) => kernels[kernel](wPtr, xPtr, xPtr + COUNT, ...WHOLE),
    mirror: (packed, input) => {
      const values = new Int8Array(input, 0, COUNT);
      pack(packed, values, new Float32Array(input, COUNT), ...WHOLE);
    },
  };
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
    const { kernel, type } = packing;
    const input = packing.input(weights.buffer);
    const expected = new Uint8Array((ROWS / 8) * packedBlockBytes(type, COLUMNS));
    packing.mirror(expected, input);
    const run = () => packing.run(kernels, wPtr, xPtr);
    new Uint8Array(memory.buffer, xPtr, input.byteLength).set(new Uint8Array(input));
    run();
    const found = new Uint8Array(memory.buffer, wPtr, expected.length);
    if (found.some((byte, index) => byte !== expected[index])) {
      throw new Error(`${kernel} differs from its mirror`);
    }
    const bytes = input.byteLength + expected.length;
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
