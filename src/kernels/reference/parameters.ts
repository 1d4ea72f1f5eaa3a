/** Parameters of the reference kernels: floats as float32, quantized weights as integers and
 *  scales, all row-major and plain to see. */

import { QUANTIZERS } from '../../quantize/index.ts';
import { type FileBlockType, readFileBlocks } from '../../tensor/file-blocks.ts';
import {
  createQuantizedMatrix,
  dequantize,
  type QuantizedMatrix,
  type QuantizedType,
  scalesPerRow,
} from '../../tensor/quantized.ts';
import { createTensor, float32, type Tensor } from '../../tensor/tensor.ts';
import type {
  EmbeddingTable,
  LinearWeight,
  Parameter,
  ParameterRows,
  Place,
  WeightFormat,
} from '../kernels.ts';
import { createWidener, type Widener } from '../wasm/module.ts';

/** The numbers of a weight: `[rows, columns]` of float32, or a quantized matrix. */
export type ReferenceNumbers =
  | { readonly floats: Float32Array; readonly quantized?: undefined }
  | { readonly quantized: QuantizedMatrix; readonly floats?: undefined };

export interface ReferenceLinearWeight extends LinearWeight {
  readonly numbers: ReferenceNumbers;
}

export interface ReferenceTable extends EmbeddingTable {
  readonly numbers: ReferenceNumbers;
}

/** A linear weight. @param shape `[out, in]` */
export function createReferenceLinear(
  path: string,
  shape: readonly [number, number],
  format: WeightFormat,
  _place: Place,
): Parameter<ReferenceLinearWeight> {
  const [outFeatures, inFeatures] = shape;
  const { numbers, write } = createNumbers(shape, format);
  return { weight: { path, outFeatures, inFeatures, format, numbers }, write };
}

/** A table of rows. @param shape `[rows, columns]` */
export function createReferenceTable(
  shape: readonly [number, number],
  format: WeightFormat,
  _place: Place,
): Parameter<ReferenceTable> {
  const [rows, columns] = shape;
  const { numbers, write } = createNumbers(shape, format);
  return { weight: { rows, columns, format, numbers }, write };
}

/** A vector. */
export function createReferenceVector(length: number, _place: Place): Parameter<Tensor> {
  const weight = createTensor([length]);
  const write = (_: number, rows: ParameterRows) => {
    float32(weight).set(floatsOf(rows));
  };
  return { weight, write };
}

/** Chosen rows of a table as float32. @returns `[ids.length, columns]` */
export function tableRows({ numbers, columns }: ReferenceTable, ids: readonly number[]) {
  const y = new Float32Array(ids.length * columns);
  ids.forEach((id, t) => {
    y.set(rowsOf(numbers, id, 1, columns), t * columns);
  });
  return y;
}

/** Rows of a weight as float32, `count` of them from `row` on. */
export function rowsOf(
  { floats, quantized }: ReferenceNumbers,
  row: number,
  count: number,
  columns: number,
): Float32Array {
  const [start, end] = [row * columns, (row + count) * columns];
  if (quantized === undefined) return floats.subarray(start, end);
  const { type, values, scales } = quantized;
  const perRow = scalesPerRow(type, columns);
  return dequantize({
    type,
    shape: [count, columns],
    values: values.subarray(start, end),
    scales: scales.subarray(row * perRow, (row + count) * perRow),
  });
}

function createNumbers(shape: readonly [number, number], format: WeightFormat) {
  const columns = shape[1];
  if (format === 'f32' || format === 'bf16' || format === 'f16') {
    const floats = new Float32Array(shape[0] * columns);
    const write = (row: number, rows: ParameterRows) => {
      floats.set(floatsOf(rows), row * columns);
    };
    return { numbers: { floats }, write };
  }
  const quantized = createQuantizedMatrix(format, shape);
  const write = (row: number, rows: ParameterRows) => {
    const { values, scales } = quantizedRows(format, rows, columns);
    quantized.values.set(values, row * columns);
    quantized.scales.set(scales, row * scalesPerRow(format, columns));
  };
  return { numbers: { quantized }, write };
}

/** Rows of a file as integers and scales: as they are where the file has them, else quantized. */
function quantizedRows(
  format: QuantizedType,
  rows: ParameterRows,
  columns: number,
): Pick<QuantizedMatrix, 'values' | 'scales'> {
  if (isFileBlock(rows.dtype)) return readFileBlocks(rows.dtype, rows.bytes, columns);
  if (rows.dtype === 'I8' || rows.dtype === 'I4') {
    const { buffer, byteOffset, byteLength } = rows.bytes;
    const values = new Int8Array(buffer, byteOffset, byteLength);
    return { values, scales: rows.scales ?? new Float32Array(0) };
  }
  const floats = floatsOf(rows);
  return QUANTIZERS[format](floats, [floats.length / columns, columns]);
}

function isFileBlock(dtype: ParameterRows['dtype']): dtype is FileBlockType {
  return dtype === 'Q8_0' || dtype === 'Q4_0';
}

/** Made when it is first needed: importing this library must neither compile nor allocate. */
let widener: Widener | undefined;

/** Numbers of a file as float32, exactly. */
function floatsOf({ dtype, bytes }: ParameterRows): Float32Array {
  if (dtype === 'BF16' || dtype === 'F16') {
    const floats = new Float32Array(bytes.length / 2);
    widener ??= createWidener();
    widener.widen(dtype, bytes, floats, 0);
    return floats;
  }
  // Files are little-endian, and so is every machine that WebAssembly engines run on.
  return new Float32Array(bytes.slice().buffer);
}
