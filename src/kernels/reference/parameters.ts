/** Parameters of the reference kernels: floats as float32, quantized weights as integers and
 *  scales, all row-major and plain to see. */

import type { Tensor } from '../../tensor/tensor.ts';
import { createTensor, float32 } from '../../tensor/tensor.ts';
import type {
  EmbeddingTable,
  LinearWeight,
  Parameter,
  ParameterRows,
  Place,
  WeightFormat,
} from '../kernels.ts';
import { countNotFinite } from '../not-finite.ts';
import { createWidener } from '../wasm/module.ts';

export interface ReferenceLinearWeight extends LinearWeight {
  /** `[out, in]`. */
  readonly weight: Tensor;
}

export interface ReferenceTable extends EmbeddingTable {
  /** `[rows, columns]`. */
  readonly table: Tensor;
}

/** A linear weight. @param shape `[out, in]` */
export function createReferenceLinear(
  path: string,
  shape: readonly [number, number],
  format: WeightFormat,
  _place: Place,
): Parameter<ReferenceLinearWeight> {
  const [outFeatures, inFeatures] = shape;
  const weight = createTensor(shape);
  const write = (row: number, rows: ParameterRows) => writeFloats(weight, row * inFeatures, rows);
  return { weight: { path, outFeatures, inFeatures, format, weight }, write };
}

/** A table of rows. @param shape `[rows, columns]` */
export function createReferenceTable(
  shape: readonly [number, number],
  format: WeightFormat,
  _place: Place,
): Parameter<ReferenceTable> {
  const [rows, columns] = shape;
  const table = createTensor(shape);
  const write = (row: number, source: ParameterRows) => writeFloats(table, row * columns, source);
  return { weight: { rows, columns, format, table }, write };
}

/** A vector. */
export function createReferenceVector(length: number, _place: Place): Parameter<Tensor> {
  const weight = createTensor([length]);
  return { weight, write: (_, rows) => writeFloats(weight, 0, rows) };
}

const widener = createWidener();

/** Writes numbers of a file as float32. @returns how many are NaN or infinite */
function writeFloats(target: Tensor, offset: number, rows: ParameterRows): number {
  const values = float32(target);
  if (rows.dtype === 'BF16' || rows.dtype === 'F16') {
    widener.widen(rows.dtype, rows.bytes, values, offset);
  } else {
    // Files are little-endian, and so is every machine that WebAssembly engines run on.
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(rows.bytes, 4 * offset);
  }
  return countNotFinite(rows);
}
