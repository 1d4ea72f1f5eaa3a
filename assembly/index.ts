/** The kernels of the WebAssembly module, one file each, under one entry point.
 *
 *  The memory is imported: who instantiates the module owns it, lays it out and may share it. The
 *  module itself uses the bytes below `heapBase` and nothing else; no kernel allocates. */

import { ACTIVATION_BYTES } from './dot';

/** The first byte that belongs to the owner of the memory. */
export const heapBase: usize = __heap_base;

/** Bytes of a quantized activation: `quantizeActivations` writes them as the products read them. */
export const activationBytes: i32 = <i32>ACTIVATION_BYTES;

export { widenBf16, widenBf16Range, widenF16, widenF16Range } from './widen';
export { appendKeyValueF32, appendKeyValueInt8 } from './append-key-value';
export { attentionF32 } from './attention-f32';
export { attentionInt8 } from './attention-int8';
export { exp } from './exp';
export { gatherBf16, gatherF16, gatherF32, gatherInt8 } from './gather';
export { rmsNorm } from './rms-norm';
export { rotateHalves } from './rotate-halves';
export { add, columns } from './rows';
export { siluMul } from './silu-mul';
export { softmax } from './softmax';
export { packQ4_0, packQ8_0 } from './pack-blocks';
export {
  packInt4Channel,
  packInt4ChannelValues,
  packInt8Channel,
  packInt8ChannelValues,
} from './pack-channel';
export { packF32, packHalf } from './pack-floats';
export { packInt4, packInt8 } from './pack-groups';
export { quantizeRowsQ8 } from './quantize-rows';
export {
  matmulInt4ChannelExact,
  matmulInt4Exact,
  matmulInt8ChannelExact,
  matmulInt8Exact,
} from './matmul-exact';
export { matmulBf16, matmulF16, matmulF32 } from './matmul-float';
export { matmulInt4, matmulInt4Channel } from './matmul-int4';
export { matmulInt8, matmulInt8Channel } from './matmul-int8';
export { quantizeActivations } from './quantize-activations';
