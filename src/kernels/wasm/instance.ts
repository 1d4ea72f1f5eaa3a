/** An instance of the kernels over a memory. It knows no bytes of its own: threads are given the
 *  compiled module. */

import { instantiateSync } from '@assemblyscript/loader';
import type { KernelExports } from './exports.ts';

/** Instantiates the kernels over a memory.
 *  @param memory at least one page; owned, laid out and grown by the caller
 *  @param binary a build that fits the memory, as bytes or compiled */
export function instantiate(
  memory: WebAssembly.Memory,
  binary: BufferSource | WebAssembly.Module,
): KernelExports {
  return instantiateSync<KernelExports>(binary, { env: { memory } }).exports;
}
