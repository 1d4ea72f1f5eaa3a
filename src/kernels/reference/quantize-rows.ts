/** Quantizes rows of a table to the Q8_0 blocks of a GGUF file: a float16 scale and 32 int8, for
 *  every 32 columns, the last ones completed with zeros. The quantizer is `quantizeInt8` of
 *  src/quantize/grouped.ts. The mirror of assembly/quantize-rows.ts, bit for bit. */

import { quantizeInt8 } from '../../quantize/grouped.ts';
import { encodeFloat16 } from '../../tensor/float16.ts';
import { GROUP_SIZE } from '../../tensor/quantized.ts';

/** Quantizes rows `rowStart` to `rowEnd`.
 *  @param y blocks `[rows, ceil(C / 32)]` of 34 bytes (overwritten in those rows)
 *  @param x `[rows, C]` */
export function quantizeRowsQ8(
  y: Uint8Array,
  x: Float32Array,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  const view = new DataView(y.buffer, y.byteOffset, y.byteLength);
  const groups = Math.ceil(C / GROUP_SIZE);
  for (let row = rowStart; row < rowEnd; row++) {
    const { values, scales } = quantizeInt8(x.subarray(row * C, (row + 1) * C), [1, C]);
    for (let g = 0; g < groups; g++) {
      const block = (row * groups + g) * 34;
      view.setUint16(block, encodeFloat16(scales[g]), true);
      for (let i = 0; i < GROUP_SIZE; i++) {
        view.setInt8(block + 2 + i, values[g * GROUP_SIZE + i] ?? 0);
      }
    }
  }
}
