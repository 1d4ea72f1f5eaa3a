/** Rows of a file as the engine takes them: unchanged where their type fits the format that the
 *  weight is held in, else as float32, to be quantized anew. */

import type { StoredTensor } from '../formats/checkpoint.ts';
import type { ParameterRows, WeightFormat } from '../kernels/kernels.ts';
import { type FileBlockType, readFileBlocks, widenFileBlocks } from '../tensor/file-blocks.ts';
import { dequantize, type QuantizedType } from '../tensor/quantized.ts';

/** What the quantized types of files hold. */
const HELD_AS: Readonly<Record<string, QuantizedType>> = {
  Q8_0: 'int8',
  Q4_0: 'int4',
  I8: 'int8-channel',
  I4: 'int4-channel',
};

/** Whether rows of a type must be taken apart for a format. */
export function isRequantized(dtype: string, format: WeightFormat, isTable: boolean): boolean {
  const held = HELD_AS[dtype];
  if (held === undefined || held === format) return false;
  return !(isTable && dtype === 'Q4_0' && format === 'int8');
}

/** The rows for the engine.
 *  @param columns weights of a row */
export function rowsForEngine(
  rows: ParameterRows,
  format: WeightFormat,
  columns: number,
  isTable: boolean,
): ParameterRows {
  const { dtype, bytes } = rows;
  if (isTable && dtype === 'Q4_0' && format === 'int8') {
    return { dtype: 'Q8_0', bytes: widenFileBlocks(bytes) };
  }
  const held = HELD_AS[dtype];
  if (held === undefined || held === format) return rows;
  const { values, scales } = integersOf(rows, columns);
  const shape = [values.length / columns, columns] as const;
  const floats = dequantize({ type: held, shape, values, scales });
  return { dtype: 'F32', bytes: new Uint8Array(floats.buffer) };
}

function integersOf({ dtype, bytes, scales }: ParameterRows, columns: number) {
  if (isFileBlock(dtype)) return readFileBlocks(dtype, bytes, columns);
  const values = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { values, scales: scales ?? new Float32Array(0) };
}

function isFileBlock(dtype: string): dtype is FileBlockType {
  return dtype === 'Q8_0' || dtype === 'Q4_0';
}

/** Rows of a tensor as its file holds them, with their scales where these stand apart.
 *  @param row the first, of `count`; a vector is one row @throws io-… */
export async function readStoredRows(
  { dtype, channelScales, shape, byteLength, ...stored }: StoredTensor,
  row: number,
  count: number,
): Promise<ParameterRows> {
  const bytesPerRow = byteLength / (shape.length < 2 ? 1 : shape[0]);
  const bytes = await stored.read(row * bytesPerRow, count * bytesPerRow);
  const found = { dtype: dtype as ParameterRows['dtype'], bytes };
  if (channelScales === undefined) return found;
  const scales = (await channelScales.read(4 * row, 4 * count)).slice();
  return { ...found, scales: new Float32Array(scales.buffer) };
}
