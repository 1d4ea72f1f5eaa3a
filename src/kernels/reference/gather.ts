/** Rows of a table as float32: y[t] = table[ids[t]]. Sixteen-bit rows are widened exactly; an int8
 *  row is ⌈C / 32⌉ groups of a binary16 scale and 32 signed bytes (Q8_0 of GGUF), and
 *  y = q · scale, rounded to float32. */

import { widenBf16, widenF16 } from './widen.ts';

const GROUP = 32;
const GROUP_BYTES = 34;

/** Rows of a float32 table.
 *  @param y `[R, C]` (overwritten in those rows) @param table `[V, C]` @param ids `[R]` */
export function gatherF32(
  y: Float32Array,
  table: Float32Array,
  ids: Uint32Array,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    y.set(table.subarray(ids[t] * C, (ids[t] + 1) * C), t * C);
  }
}

/** Rows of a bfloat16 table.
 *  @param y `[R, C]` (overwritten in those rows) @param table `[V, C]` @param ids `[R]` */
export function gatherBf16(
  y: Float32Array,
  table: Uint16Array,
  ids: Uint32Array,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    widenBf16(y.subarray(t * C, (t + 1) * C), table.subarray(ids[t] * C), C);
  }
}

/** Rows of a binary16 table.
 *  @param y `[R, C]` (overwritten in those rows) @param table `[V, C]` @param ids `[R]` */
export function gatherF16(
  y: Float32Array,
  table: Uint16Array,
  ids: Uint32Array,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  for (let t = rowStart; t < rowEnd; t++) {
    widenF16(y.subarray(t * C, (t + 1) * C), table.subarray(ids[t] * C), C);
  }
}

/** Rows of a table of int8 groups.
 *  @param y `[R, C]` (overwritten in those rows) @param table `[V]` rows of groups
 *  @param ids `[R]` */
export function gatherInt8(
  y: Float32Array,
  table: Uint8Array,
  ids: Uint32Array,
  C: number,
  rowStart: number,
  rowEnd: number,
): void {
  const rowBytes = Math.ceil(C / GROUP) * GROUP_BYTES;
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const scale = new Float32Array(1);
  for (let t = rowStart; t < rowEnd; t++) {
    for (let i = 0; i < C; i++) {
      const group = ids[t] * rowBytes + Math.floor(i / GROUP) * GROUP_BYTES;
      widenF16(scale, Uint16Array.of(view.getUint16(group, true)), 1);
      y[t * C + i] = view.getInt8(group + 2 + (i % GROUP)) * scale[0];
    }
  }
}
