/** Float rows quantized by the compiled kernels, and given back as a file holds them: for writing
 *  models, where loading them would pack the same numbers for the matrix kernels.
 *
 *  The kernels write their packed layout (parameters.ts) into a small memory of this thread, and
 *  the rows are taken out of it: no second quantizer exists. */

import { GROUP_SIZE, type QuantizedType } from '../../tensor/quantized.ts';
import type { Parameter, ParameterRows } from '../kernels.ts';
import { Bank } from './bank.ts';
import { CONTROL_BYTES, controlOf } from './control.ts';
import { packedBytes, rowBytes, tableRowBytes } from './layout.ts';
import { kernelsBinary } from './module.ts';
import { createBankTable, createPacked } from './parameters.ts';
import { createSingleRunner } from './pool.ts';
import { chooseSimd } from './simd.ts';

/** Rows of a packed block. */
const BLOCK_ROWS = 8;

/** Memory for the rows of a file and for some of them as float32. */
const SCRATCH_BYTES = 2 ** 23;

/** Quantizes blocks of rows. */
export interface RowQuantizer {
  /** @param rows of F32, F16 or BF16 @param columns weights of a row
   *  @returns rows of Q8_0 or Q4_0, or of I8 or I4 with their scales */
  quantize(rows: ParameterRows, columns: number): ParameterRows;
}

/** Makes a quantizer.
 *  @param maxRowBytes the bytes of the most rows that are given at once; longer rows come alone */
export async function createRowQuantizer(
  type: QuantizedType,
  maxRowBytes: number,
): Promise<RowQuantizer> {
  const module = await WebAssembly.compile(kernelsBinary({ simd: chooseSimd(), shared: false }));
  const targets = new Map<string, Target>();
  return {
    quantize(rows, columns) {
      const bytesPerRow = rowBytes(rows.dtype, columns);
      const count = rows.bytes.length / bytesPerRow;
      const padded = Math.ceil(count / BLOCK_ROWS) * BLOCK_ROWS;
      const most = Math.floor(maxRowBytes / (bytesPerRow * BLOCK_ROWS)) * BLOCK_ROWS;
      const capacity = Math.max(BLOCK_ROWS, most, padded);
      const key = `${columns} ${capacity}`;
      const target = targets.get(key) ?? createTarget(module, type, capacity, columns);
      targets.set(key, target);
      target.parameter.write(0, padded === count ? rows : paddedRows(rows, padded * bytesPerRow));
      return target.take(count);
    },
  };
}

/** Whole blocks of 8 rows: zeros complete the last one. */
function paddedRows({ dtype, bytes }: ParameterRows, byteLength: number): ParameterRows {
  const padded = new Uint8Array(byteLength);
  padded.set(bytes);
  return { dtype, bytes: padded };
}

/** A weight of some rows in a memory, written again and again. */
interface Target {
  readonly parameter: Parameter<unknown>;
  /** The first rows, as a file holds them. */
  take(count: number): ParameterRows;
}

function createTarget(
  module: WebAssembly.Module,
  type: QuantizedType,
  rows: number,
  columns: number,
): Target {
  const shape = [rows, columns] as const;
  const isTable = type === 'int8';
  const bytes = isTable ? rows * tableRowBytes(type, columns) : packedBytes(type, rows, columns);
  const sizes = { weightBytes: bytes, cacheBytes: 0, scratchBytes: SCRATCH_BYTES };
  const bank = new Bank(0, { places: [], ...sizes }, { module, shared: false });
  const runner = createSingleRunner(controlOf(new ArrayBuffer(CONTROL_BYTES)));
  if (isTable) {
    // A table holds its rows as blocks of Q8_0 already.
    const parameter = createBankTable(bank, runner, shape, type);
    const { pointer } = parameter.weight;
    const take = (count: number): ParameterRows => {
      return {
        dtype: 'Q8_0',
        bytes: bank.bytes(pointer, count * tableRowBytes(type, columns)).slice(),
      };
    };
    return { parameter, take };
  }
  const parameter = createPacked(bank, runner, 'rows', shape, type);
  const { pointer } = parameter.weight;
  const take = TAKE[type];
  return { parameter, take: (count) => take(bank.bytes(pointer, bytes), count, columns) };
}

/** Takes rows out of the packed layout; the pictures are in packed-layout.ts. */
const TAKE: Readonly<
  Record<
    Exclude<QuantizedType, 'int8'>,
    (packed: Uint8Array, count: number, columns: number) => ParameterRows
  >
> = {
  int4: takeInt4,
  'int8-channel': takeInt8Channel,
  'int4-channel': takeInt4Channel,
};

/** | 8 float16 scales | 4 × [8 rows][4 bytes] | of each group: the bytes of a row are Q4_0's. */
function takeInt4(packed: Uint8Array, count: number, columns: number): ParameterRows {
  const groups = Math.ceil(columns / GROUP_SIZE);
  const words = new Uint16Array(packed.buffer, packed.byteOffset, packed.length / 2);
  const blocks = new Uint16Array(count * groups * 9);
  for (let row = 0; row < count; row++) {
    const [first, lane] = [Math.floor(row / BLOCK_ROWS) * groups, row % BLOCK_ROWS];
    for (let g = 0; g < groups; g++) {
      const from = (first + g) * 72;
      const to = (row * groups + g) * 9;
      blocks[to] = words[from + lane];
      for (let quad = 0; quad < 4; quad++) {
        const at = from + 8 + quad * 16 + 2 * lane;
        blocks[to + 1 + 2 * quad] = words[at];
        blocks[to + 2 + 2 * quad] = words[at + 1];
      }
    }
  }
  return { dtype: 'Q4_0', bytes: new Uint8Array(blocks.buffer) };
}

/** | 8 float32 scales | 8 × [8 rows][4 bytes] of each group |. */
function takeInt8Channel(packed: Uint8Array, count: number, columns: number): ParameterRows {
  const groups = Math.ceil(columns / GROUP_SIZE);
  const blockWords = 8 + groups * 64;
  const { words, scales } = wordsAndScales(packed, count, blockWords);
  const wide = new Uint32Array(count * groups * 8);
  for (let row = 0; row < count; row++) {
    const from = Math.floor(row / BLOCK_ROWS) * blockWords + 8 + (row % BLOCK_ROWS);
    const to = row * groups * 8;
    for (let quad = 0; quad < groups * 8; quad++) wide[to + quad] = words[from + quad * 8];
  }
  const bytes = cutRows(new Uint8Array(wide.buffer), count, columns);
  return { dtype: 'I8', bytes, scales };
}

/** | 8 float32 scales | 4 × [8 rows][4 bytes] of each group |; byte i of a row's sixteen holds
 *  q + 8 of weights i and 16 + i. */
function takeInt4Channel(packed: Uint8Array, count: number, columns: number): ParameterRows {
  const groups = Math.ceil(columns / GROUP_SIZE);
  const blockWords = 8 + groups * 32;
  const { scales } = wordsAndScales(packed, count, blockWords);
  const wide = new Int8Array(count * groups * GROUP_SIZE);
  for (let row = 0; row < count; row++) {
    const from = 4 * (Math.floor(row / BLOCK_ROWS) * blockWords + 8 + (row % BLOCK_ROWS));
    for (let g = 0; g < groups; g++) {
      const to = (row * groups + g) * GROUP_SIZE;
      for (let i = 0; i < 16; i++) {
        const byte = packed[from + 128 * g + 32 * (i >>> 2) + (i & 3)];
        wide[to + i] = (byte & 15) - 8;
        wide[to + 16 + i] = (byte >>> 4) - 8;
      }
    }
  }
  const bytes = cutRows(new Uint8Array(wide.buffer), count, columns);
  return { dtype: 'I4', bytes, scales };
}

function wordsAndScales(packed: Uint8Array, count: number, blockWords: number) {
  const words = new Uint32Array(packed.buffer, packed.byteOffset, packed.length / 4);
  const floats = new Float32Array(packed.buffer, packed.byteOffset, packed.length / 4);
  const scales = Float32Array.from({ length: count }, (_, row) => {
    return floats[Math.floor(row / BLOCK_ROWS) * blockWords + (row % BLOCK_ROWS)];
  });
  return { words, scales };
}

/** Rows without what completes their last group. */
function cutRows(wide: Uint8Array, count: number, columns: number): Uint8Array {
  const width = wide.length / count;
  if (width === columns) return wide;
  const bytes = new Uint8Array(count * columns);
  for (let row = 0; row < count; row++) {
    bytes.set(wide.subarray(row * width, row * width + columns), row * columns);
  }
  return bytes;
}
