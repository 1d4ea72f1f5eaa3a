/** Rows of GGUF types as float32. The block types of llama.cpp follow in files of their own. */
import { BaichuanError } from '../../errors.ts';
import { float16ToFloat32Bits, float16ToNumber } from '../../tensor/half-floats.ts';
import { GGML_TYPES, type GgmlTypeName } from './ggml-types.ts';

/** Decodes whole rows.
 *  @param bytes a whole number of blocks @returns float32 elements */
export function decodeRows(type: GgmlTypeName, bytes: Uint8Array): Float32Array {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  const y = new Float32Array((bytes.length / blockBytes) * blockElements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 'F32' || type === 'F16' || type === 'BF16') {
    decodeFloats(type, view, new Uint32Array(y.buffer));
    return y;
  }
  const decode = type === 'Q8_0' ? decodeQ8 : type === 'Q4_0' ? decodeQ4 : undefined;
  if (decode === undefined) {
    const details = { where: type, what: `${type} is not read.`, fix: 'Convert the file.' };
    throw new BaichuanError('gguf-dtype', details);
  }
  for (let at = 0, i = 0; at < bytes.length; at += blockBytes, i += blockElements) {
    decode(view, at, y, i);
  }
  return y;
}

/** As bits, so that the payload of a NaN survives. */
function decodeFloats(type: 'F32' | 'F16' | 'BF16', view: DataView, bits: Uint32Array): void {
  if (type === 'F32') for (let i = 0; i < bits.length; i++) bits[i] = view.getUint32(4 * i, true);
  else if (type === 'BF16') {
    for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
  } else {
    for (let i = 0; i < bits.length; i++) {
      bits[i] = float16ToFloat32Bits(view.getUint16(2 * i, true));
    }
  }
}

function decodeQ8(view: DataView, at: number, y: Float32Array, start: number): void {
  const scale = float16ToNumber(view.getUint16(at, true));
  for (let i = 0; i < 32; i++) y[start + i] = scale * view.getInt8(at + 2 + i);
}

function decodeQ4(view: DataView, at: number, y: Float32Array, start: number): void {
  const scale = float16ToNumber(view.getUint16(at, true));
  for (let i = 0; i < 16; i++) {
    const byte = view.getUint8(at + 2 + i);
    y[start + i] = scale * ((byte & 15) - 8);
    y[start + 16 + i] = scale * ((byte >>> 4) - 8);
  }
}
