/** The kernels of the WebAssembly module, one file each, under one entry point.
 *
 *  The memory is imported: who instantiates the module owns it, lays it out and may share it. The
 *  module itself uses the bytes below `heapBase` and nothing else; no kernel allocates. */

/** The first byte that belongs to the owner of the memory. */
export const heapBase: usize = __heap_base;

export { widenBf16, widenF16 } from './widen';
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
