/** Blocks of 32 elements as float32, one block a call; d and m are float16.
 *
 *      Q8_0   d, 32 × int8                           y = d · q
 *      Q4_0   d, 16 bytes                            y = d · (q − 8)
 *      Q4_1   d, m, 16 bytes                         y = d · q + m
 *      Q5_0   d, 32 high bits, 16 bytes              y = d · (q − 16)
 *      Q5_1   d, m, 32 high bits, 16 bytes           y = d · q + m
 *
 *  Byte j holds the low four bits of elements j (low nibble) and 16 + j (high nibble), bit i of the
 *  high bits is the fifth of element i. Every product of a float16 with so small an integer is
 *  exact in float32, so each element is rounded once at most, whether or not the machine fuses.
 *  Source: ggml/src/ggml-quants.c, dequantize_row_q8_0 and its neighbours. */
import { float16ToNumber } from '../../tensor/half-floats.ts';

/** Decodes the block at `at` of `view` to `y` from `start` on (overwritten). */
export type BlockDecoder = (view: DataView, at: number, y: Float32Array, start: number) => void;

const HALF = 16;

/** y = d · q. */
export const decodeQ8Zero: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  for (let i = 0; i < 2 * HALF; i++) y[start + i] = d * view.getInt8(at + 2 + i);
};

/** y = d · (q − 8). */
export const decodeQ4Zero: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  for (let i = 0; i < HALF; i++) {
    const byte = view.getUint8(at + 2 + i);
    y[start + i] = d * ((byte & 15) - 8);
    y[start + HALF + i] = d * ((byte >>> 4) - 8);
  }
};

/** y = d · q + m. */
export const decodeQ4One: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  const m = float16ToNumber(view.getUint16(at + 2, true));
  for (let i = 0; i < HALF; i++) {
    const byte = view.getUint8(at + 4 + i);
    y[start + i] = d * (byte & 15) + m;
    y[start + HALF + i] = d * (byte >>> 4) + m;
  }
};

/** y = d · (q − 16). */
export const decodeQ5Zero: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  const high = view.getUint32(at + 2, true);
  for (let i = 0; i < HALF; i++) {
    const byte = view.getUint8(at + 6 + i);
    y[start + i] = d * ((byte & 15) + fifthBit(high, i) - 16);
    y[start + HALF + i] = d * ((byte >>> 4) + fifthBit(high, HALF + i) - 16);
  }
};

/** y = d · q + m. */
export const decodeQ5One: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  const m = float16ToNumber(view.getUint16(at + 2, true));
  const high = view.getUint32(at + 4, true);
  for (let i = 0; i < HALF; i++) {
    const byte = view.getUint8(at + 8 + i);
    y[start + i] = d * ((byte & 15) + fifthBit(high, i)) + m;
    y[start + HALF + i] = d * ((byte >>> 4) + fifthBit(high, HALF + i)) + m;
  }
};

function fifthBit(high: number, element: number): number {
  return ((high >>> element) & 1) * 16;
}
