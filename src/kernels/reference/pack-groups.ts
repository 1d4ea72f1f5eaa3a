/** Quantizes float32 rows to int8 or int4 groups of 32 and lays them out in blocks of 8 rows: the
 *  quantizers of src/quantize/grouped.ts, the layout of packed-layout.ts. The mirror of
 *  assembly/pack-groups.ts, bit for bit. */

import { quantizeInt4, quantizeInt8 } from '../../quantize/grouped.ts';
import { createQuantizedMatrix } from '../../tensor/quantized.ts';
import { BLOCK_ROWS, packRow } from './packed-layout.ts';

/** Packs rows `rowStart` to `rowEnd` as int8; rows past `rows` in the last block are zeros.
 *  @param w blocks from row 0 on (overwritten from `rowStart` on) @param x `[rows, inFeatures]`
 *  @param rowStart a multiple of 8 */
export function packInt8(
  w: Uint8Array,
  x: Float32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const shape: [number, number] = [1, inFeatures];
  const zeros = createQuantizedMatrix('int8', shape);
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const row = x.subarray(o * inFeatures, (o + 1) * inFeatures);
    packRow(w, o < rows ? quantizeInt8(row, shape) : zeros, o);
  }
}

/** Packs rows `rowStart` to `rowEnd` as int4; rows past `rows` in the last block are zeros.
 *  @param w blocks from row 0 on (overwritten from `rowStart` on) @param x `[rows, inFeatures]`
 *  @param rowStart a multiple of 8 */
export function packInt4(
  w: Uint8Array,
  x: Float32Array,
  rows: number,
  inFeatures: number,
  rowStart: number,
  rowEnd: number,
): void {
  const shape: [number, number] = [1, inFeatures];
  const zeros = createQuantizedMatrix('int4', shape);
  for (let o = rowStart; o < Math.ceil(rowEnd / BLOCK_ROWS) * BLOCK_ROWS; o++) {
    const row = x.subarray(o * inFeatures, (o + 1) * inFeatures);
    packRow(w, o < rows ? quantizeInt4(row, shape) : zeros, o);
  }
}
