/** Packs rows with one float32 scale each: float32 rows through the published quantizer
 *  (src/quantize/by-channel.ts), or rows that already are integers, in the layout of
 *  packed-layout.ts. The mirror of assembly/pack-channel.ts, bit for bit. */

import { quantizeInt4Channel, quantizeInt8Channel } from '../../quantize/by-channel.ts';
import { createQuantizedMatrix, type QuantizedMatrix } from '../../tensor/quantized.ts';
import { BLOCK_ROWS, packRow } from './packed-layout.ts';

/** Packs rows `rowStart` to `rowEnd` as int8; rows past `rows` in the last block are zeros.
 *  @param w blocks from row 0 on (overwritten from `rowStart` on) @param x `[rows, inFeatures]`
 *  @param rowStart a multiple of 8 */
export function packInt8Channel(
  w: Uint8Array,
  x: Float32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const shape: [number, number] = [1, inFeatures];
  const zeros = createQuantizedMatrix('int8-channel', shape);
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const row = x.subarray(o * inFeatures, (o + 1) * inFeatures);
    packRow(w, o < rows ? quantizeInt8Channel(row, shape) : zeros, o);
  }
}

/** Packs rows `rowStart` to `rowEnd` as int4; rows past `rows` in the last block are zeros.
 *  @param w blocks from row 0 on (overwritten from `rowStart` on) @param x `[rows, inFeatures]`
 *  @param rowStart a multiple of 8 */
export function packInt4Channel(
  w: Uint8Array,
  x: Float32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const shape: [number, number] = [1, inFeatures];
  const zeros = createQuantizedMatrix('int4-channel', shape);
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const row = x.subarray(o * inFeatures, (o + 1) * inFeatures);
    packRow(w, o < rows ? quantizeInt4Channel(row, shape) : zeros, o);
  }
}

/** Packs rows `rowStart` to `rowEnd` that are int8 with a scale each.
 *  @param w blocks from row 0 on (overwritten from `rowStart` on)
 *  @param values `[rows, inFeatures]` @param scales `[rows]` @param rowStart a multiple of 8 */
export function packInt8ChannelValues(
  w: Uint8Array,
  values: Int8Array,
  scales: Float32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const zeros = createQuantizedMatrix('int8-channel', [1, inFeatures]);
  packValues(w, values, scales, zeros, rows, rowStart, rowEnd);
}

/** Packs rows `rowStart` to `rowEnd` that are integers in −8 … 7 with a scale each.
 *  @param w blocks from row 0 on (overwritten from `rowStart` on)
 *  @param values `[rows, inFeatures]` @param scales `[rows]` @param rowStart a multiple of 8 */
export function packInt4ChannelValues(
  w: Uint8Array,
  values: Int8Array,
  scales: Float32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const zeros = createQuantizedMatrix('int4-channel', [1, inFeatures]);
  packValues(w, values, scales, zeros, rows, rowStart, rowEnd);
}

/** Rows past `rows` are zeros. */
function packValues(
  w: Uint8Array,
  values: Int8Array,
  scales: Float32Array,
  zeros: QuantizedMatrix,
  rows: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    packRow(w, o < rows ? quantizedRow(zeros, values, scales, o) : zeros, o);
  }
}

function quantizedRow(
  zeros: QuantizedMatrix,
  values: Int8Array,
  scales: Float32Array,
  o: number,
): QuantizedMatrix {
  const inFeatures = zeros.shape[1];
  const row = values.subarray(o * inFeatures, (o + 1) * inFeatures);
  return { ...zeros, values: row, scales: scales.subarray(o, o + 1) };
}
