/** float32 rows as the types that GGUF files are written in.
 *
 *  Per block of 32 elements x, in float32 arithmetic, with d stored as float16:
 *    Q8_0   d = max|x| / 127,  q = round(x / d), ties away from zero
 *    Q4_0   d = x_m / −8 where x_m is the first element of greatest magnitude, with its sign;
 *           q = min(15, ⌊x / d + 8.5⌋)
 *  where x / d is x · (1 / d). Source: ggml/src/ggml-quants.c, quantize_row_q8_0_ref and
 *  quantize_row_q4_0_ref. A block whose d has no reciprocal in float32 is zero; one
 *  whose d is finite, but beyond float16, is refused. */
import { BaichuanError } from '../../errors.ts';
import {
  float32ToBfloat16Bits,
  float32ToFloat16Bits,
  numberToFloat16Bits,
} from '../../tensor/half-floats.ts';
import { GGML_TYPES, type WritableType } from './ggml-types.ts';

const BLOCK = 32;

/** Encodes whole rows.
 *  @param values float32 `[rows, columns]`, columns a multiple of the type's block
 *  @returns the bytes of the rows @throws model-overflow */
export function encodeRows(type: WritableType, values: Float32Array): Uint8Array {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  const bytes = new Uint8Array((values.length / blockElements) * blockBytes);
  const view = new DataView(bytes.buffer);
  if (type === 'Q8_0' || type === 'Q4_0') {
    const encode = type === 'Q8_0' ? encodeQ8Block : encodeQ4Block;
    for (let i = 0, at = 0; i < values.length; i += BLOCK, at += blockBytes) {
      encode(values, i, view, at);
    }
    return bytes;
  }
  if (type === 'F32') {
    // Files are little-endian, and so is every machine that WebAssembly engines run on.
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return bytes;
  }
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const narrow = type === 'F16' ? float32ToFloat16Bits : float32ToBfloat16Bits;
  for (let i = 0; i < bits.length; i++) view.setUint16(2 * i, narrow(bits[i]), true);
  return bytes;
}

function reciprocal(scale: number): number {
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  return Number.isFinite(inverse) ? inverse : 0;
}

const GREATEST_SCALE = 65_504;
const INFINITY_16 = 0x7c00;

function storeScale(view: DataView, at: number, scale: number, type: 'Q8_0' | 'Q4_0'): void {
  const bits = numberToFloat16Bits(Math.abs(scale));
  if (bits === INFINITY_16 && Number.isFinite(scale)) throw overflowError(type);
  view.setUint16(at, numberToFloat16Bits(scale), true);
}

function overflowError(type: 'Q8_0' | 'Q4_0'): BaichuanError {
  const greatest = GREATEST_SCALE * (type === 'Q8_0' ? 127 : 8);
  return new BaichuanError('model-overflow', {
    where: `--type ${type.toLowerCase()}`,
    what: `A weight is beyond ${greatest}, the greatest of a ${type} block.`,
    fix: 'Convert to bf16 or f32.',
    expected: greatest,
  });
}

function encodeQ8Block(x: Float32Array, start: number, view: DataView, at: number): void {
  let greatest = 0;
  for (let i = 0; i < BLOCK; i++) greatest = Math.max(greatest, Math.abs(x[start + i]));
  const scale = Math.fround(greatest / 127);
  const inverse = reciprocal(scale);
  storeScale(view, at, scale, 'Q8_0');
  for (let i = 0; i < BLOCK; i++) {
    const scaled = Math.fround(x[start + i] * inverse);
    // Ties away from zero; float32 has room for the half, so the sum in float64 is exact.
    view.setInt8(at + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  }
}

function encodeQ4Block(x: Float32Array, start: number, view: DataView, at: number): void {
  let extreme = 0;
  for (let i = 0; i < BLOCK; i++) {
    const value = x[start + i];
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  const scale = Math.fround(extreme / -8);
  const inverse = reciprocal(scale);
  storeScale(view, at, scale, 'Q4_0');
  const half = BLOCK / 2;
  for (let i = 0; i < half; i++) {
    const low = nibble(x[start + i], inverse);
    view.setUint8(at + 2 + i, low + 16 * nibble(x[start + half + i], inverse));
  }
}

function nibble(x: number, inverse: number): number {
  const shifted = Math.fround(Math.fround(x * inverse) + 8.5);
  return Math.min(15, Math.floor(shifted));
}
