/** Parameters on their way into a bank: the rows of a file are copied into the arena, widened or
 *  quantized there, and packed into their place.
 *
 *      file rows → | arena: rows as in the file | rows as float32 | → packed weight
 *
 *  What the file holds in the weight's own format (`Q8_0` for int8, `Q4_0` for int4, `I8` and
 *  `I4` with scales by channel, 16 bits for 16 bits) is only rearranged. */

import { BaichuanError } from '../../errors.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type {
  EmbeddingTable,
  LinearWeight,
  Parameter,
  ParameterRows,
  WeightFormat,
} from '../kernels.ts';
import type { Bank } from './bank.ts';
import {
  GROUP,
  PACK_ROWS,
  packedBlockBytes,
  packedBytes,
  rowBytes,
  tableRowBytes,
} from './layout.ts';
import type { KernelRunner } from './pool.ts';
import type { KernelName } from './ranged-kernels.ts';

/** Float32 rows made at a time: they stay in the cache between widening and packing. */
const FLOAT_BLOCK_BYTES = 2 ** 21;

/** A linear weight in a bank. */
export interface PackedWeight extends LinearWeight {
  readonly bank: Bank;
  readonly pointer: number;
}

/** A table of rows in a bank, row-major as in the file or in blocks of Q8_0. */
export interface BankTable extends EmbeddingTable {
  readonly bank: Bank;
  readonly pointer: number;
}

const WIDEN: Readonly<Record<string, KernelName>> = {
  BF16: 'widenBf16Range',
  F16: 'widenF16Range',
};

/** From float32 rows. */
const PACK: Readonly<Record<WeightFormat, KernelName | undefined>> = {
  f32: 'packF32',
  bf16: undefined,
  f16: undefined,
  int8: 'packInt8',
  int4: 'packInt4',
  'int8-channel': 'packInt8Channel',
  'int4-channel': 'packInt4Channel',
};

/** From rows of the file that hold the very format. */
const REPACK: Readonly<Record<string, KernelName>> = {
  'F32 f32': 'packF32',
  'BF16 bf16': 'packHalf',
  'F16 f16': 'packHalf',
  'Q8_0 int8': 'packQ8_0',
  'Q4_0 int4': 'packQ4_0',
};

/** From integers of the file with a scale for each row. */
const PACK_VALUES: Readonly<Record<string, KernelName>> = {
  'I8 int8-channel': 'packInt8ChannelValues',
  'I4 int4-channel': 'packInt4ChannelValues',
};

/** What a table keeps as it is in the file. */
const SAME_BYTES = new Set(['F32 f32', 'BF16 bf16', 'F16 f16', 'Q8_0 int8']);

/** Makes room for a linear weight. @throws out-of-memory */
export function createPacked(
  bank: Bank,
  runner: KernelRunner,
  path: string,
  [outFeatures, inFeatures]: readonly [number, number],
  format: WeightFormat,
): Parameter<PackedWeight> {
  const pointer = bank.allocate(packedBytes(format, outFeatures, inFeatures));
  const weight = { path, outFeatures, inFeatures, format, bank, pointer };
  const write = (row: number, rows: ParameterRows) => {
    const count = rows.bytes.length / rowBytes(rows.dtype, inFeatures);
    expectRows(path, row, count, outFeatures);
    const block = packedBlockBytes(format, inFeatures);
    const target = pointer + Math.floor(row / PACK_ROWS) * block;
    inScratch(bank, rows, (source) => {
      const args = [count, inFeatures];
      const range = { units: count, align: PACK_ROWS, work: count * inFeatures };
      const values = PACK_VALUES[`${rows.dtype} ${format}`];
      if (values !== undefined) {
        const scales = copyIn(bank, bytesOf(rows.scales ?? new Float32Array(0)));
        runner.run(bank, values, [target, source, scales, ...args], range);
        return;
      }
      const repack = REPACK[`${rows.dtype} ${format}`];
      const pack = PACK[format];
      if (repack !== undefined) {
        runner.run(bank, repack, [target, source, ...args], range);
        return;
      }
      if (pack === undefined) throw cannotHold(path, rows, format);
      const floats = { source, count, columns: inFeatures };
      eachFloatBlock(bank, runner, rows, floats, (floatRows, start, size) => {
        const place = target + (start / PACK_ROWS) * block;
        const packRange = { units: size, align: PACK_ROWS, work: size * inFeatures };
        runner.run(bank, pack, [place, floatRows, size, inFeatures], packRange);
      });
    });
  };
  return { weight, write };
}

/** Makes room for a table. @throws out-of-memory */
export function createBankTable(
  bank: Bank,
  runner: KernelRunner,
  [rows, columns]: readonly [number, number],
  format: WeightFormat,
): Parameter<BankTable> {
  const stride = tableRowBytes(format, columns);
  const pointer = bank.allocate(rows * stride);
  const weight = { rows, columns, format, bank, pointer };
  const write = (row: number, source: ParameterRows) => {
    const count = source.bytes.length / rowBytes(source.dtype, columns);
    expectRows('table', row, count, rows);
    const target = pointer + row * stride;
    if (SAME_BYTES.has(`${source.dtype} ${format}`)) {
      bank.bytes(target, source.bytes.length).set(source.bytes);
      return;
    }
    if (format !== 'int8') throw cannotHold('table', source, format);
    inScratch(bank, source, (scratch) => {
      const floats = { source: scratch, count, columns };
      eachFloatBlock(bank, runner, source, floats, (block, start, size) => {
        const args = [target + start * stride, block, columns];
        runner.run(bank, 'quantizeRowsQ8', args, { units: size, work: size * columns });
      });
    });
  };
  return { weight, write };
}

/** Makes room for a float32 vector. @throws out-of-memory */
export function createBankVector(
  bank: Bank,
  runner: KernelRunner,
  length: number,
): Parameter<Tensor> {
  const weight = bank.allocateTensor([length]);
  const write = (_: number, rows: ParameterRows) =>
    inScratch(bank, rows, (source) => {
      const range = { units: length, work: length };
      const widen = WIDEN[rows.dtype];
      if (widen === undefined) bank.bytes(weight.byteOffset, 4 * length).set(rows.bytes);
      else runner.run(bank, widen, [weight.byteOffset, source], range);
    });
  return { weight, write };
}

/** Rows in the arena, as the file holds them. */
interface SourceRows {
  readonly source: number;
  readonly count: number;
  readonly columns: number;
}

/** Gives rows as float32, some at a time, in memory that is used again for the next.
 *  @param use gets a pointer, the first row and how many; the first is a multiple of 8 */
function eachFloatBlock(
  bank: Bank,
  runner: KernelRunner,
  { dtype }: ParameterRows,
  { source, count, columns }: SourceRows,
  use: (floats: number, start: number, size: number) => void,
): void {
  if (dtype === 'F32') {
    use(source, 0, count);
    return;
  }
  const widen = WIDEN[dtype];
  if (widen === undefined) throw cannotHold('rows', { dtype }, 'f32');
  const blocks = Math.max(1, Math.floor(FLOAT_BLOCK_BYTES / (4 * columns * PACK_ROWS)));
  const most = Math.min(count, blocks * PACK_ROWS);
  const floats = bank.arena.allocate([most, columns]).byteOffset;
  for (let start = 0; start < count; start += most) {
    const size = Math.min(most, count - start);
    const elements = size * columns;
    const range = { units: elements, align: GROUP, work: elements };
    runner.run(bank, widen, [floats, source + start * rowBytes(dtype, columns)], range);
    use(floats, start, size);
  }
}

/** Copies rows into the arena for the time of an action. */
function inScratch(bank: Bank, rows: ParameterRows, action: (source: number) => void): void {
  const mark = bank.arena.mark();
  try {
    action(copyIn(bank, rows.bytes));
  } finally {
    bank.arena.release(mark);
  }
}

function copyIn(bank: Bank, bytes: Uint8Array): number {
  const { byteOffset } = bank.arena.allocate([Math.ceil(bytes.length / 4)]);
  bank.bytes(byteOffset, bytes.length).set(bytes);
  return byteOffset;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Whole rows that start where a block of the packed layout does, inside the weight. */
function expectRows(path: string, row: number, count: number, rows: number): void {
  const isWhole = Number.isInteger(count) && row % PACK_ROWS === 0 && row + count <= rows;
  if (isWhole && (count % PACK_ROWS === 0 || row + count === rows)) return;
  throw new BaichuanError('shape-mismatch', {
    where: path,
    what: `${count} rows from row ${row} on are no whole blocks of the ${rows} rows.`,
    fix: `Write whole rows, ${PACK_ROWS} or a multiple at a time.`,
    expected: rows,
    found: count,
  });
}

function cannotHold(
  path: string,
  { dtype }: Pick<ParameterRows, 'dtype'>,
  format: WeightFormat,
): BaichuanError {
  return new BaichuanError('model-dtype', {
    where: path,
    what: `Numbers of type ${dtype} cannot be held as ${format}.`,
    fix: 'Load the model with --quantize none, which keeps the types of its files.',
    expected: format,
    found: dtype,
  });
}
