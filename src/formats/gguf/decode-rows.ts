/** Rows of GGUF types as float32, with the values that ggml computes from them. */
import { float16ToFloat32Bits } from '../../tensor/half-floats.ts';
import {
  type BlockDecoder,
  decodeQ4One,
  decodeQ4Zero,
  decodeQ5One,
  decodeQ5Zero,
  decodeQ8Zero,
} from './decode-blocks.ts';
import { decodeQ2K, decodeQ3K, decodeQ4K, decodeQ5K, decodeQ6K } from './decode-k-quants.ts';
import { GGML_TYPES, type GgmlTypeName } from './ggml-types.ts';

const DECODERS: Readonly<Record<Exclude<GgmlTypeName, 'F32' | 'F16' | 'BF16'>, BlockDecoder>> = {
  Q4_0: decodeQ4Zero,
  Q4_1: decodeQ4One,
  Q5_0: decodeQ5Zero,
  Q5_1: decodeQ5One,
  Q8_0: decodeQ8Zero,
  Q2_K: decodeQ2K,
  Q3_K: decodeQ3K,
  Q4_K: decodeQ4K,
  Q5_K: decodeQ5K,
  Q6_K: decodeQ6K,
};

/** Decodes whole rows.
 *  @param bytes a whole number of blocks @returns float32 elements */
export function decodeRows(type: GgmlTypeName, bytes: Uint8Array): Float32Array {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  const y = new Float32Array((bytes.length / blockBytes) * blockElements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type === 'F32') {
    // Files are little-endian, and so is every machine that WebAssembly engines run on.
    new Uint8Array(y.buffer).set(bytes);
    return y;
  }
  if (type === 'F16' || type === 'BF16') {
    decodeHalves(type, view, new Uint32Array(y.buffer));
    return y;
  }
  const decode = DECODERS[type];
  for (let at = 0, i = 0; at < bytes.length; at += blockBytes, i += blockElements) {
    decode(view, at, y, i);
  }
  return y;
}

/** As bits, so that the payload of a NaN survives. */
function decodeHalves(type: 'F16' | 'BF16', view: DataView, bits: Uint32Array): void {
  if (type === 'BF16') {
    for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
  } else {
    for (let i = 0; i < bits.length; i++) {
      bits[i] = float16ToFloat32Bits(view.getUint16(2 * i, true));
    }
  }
}
