/** Which build of the kernels this engine can be trusted with.
 *
 *  The relaxed build uses `i32x4.relaxed_dot_i8x16_i7x16_add_s`. Engines without it refuse the
 *  module (Node 20); others take it and compute something else (Node 20 with its experimental
 *  flag). So the choice is made by value: a small module that was compiled just now must give the
 *  sums that the definition gives. */

import { bytesFromBase64 } from './base64.ts';
import { RELAXED_PROBE_BASE64 } from './binary.generated.ts';

export type Simd = 'baseline' | 'relaxed';

/** Operands of assembly/relaxed-probe.ts: signed bytes a, bytes b of 0…127, sums c. */
interface Operands {
  readonly a: Int8Array;
  readonly b: Int8Array;
  readonly c: Int32Array;
}

/** Loaded operands: neighbouring products that overflow 16 bits, mixed signs, unequal lanes. */
const LOADED: Operands = {
  a: Int8Array.of(127, 127, 127, 127, -128, -128, -128, -128, -1, 2, -3, 4, 100, -100, 0, 7),
  b: Int8Array.of(127, 127, 127, 127, 127, 127, 127, 127, 9, 8, 7, 6, 5, 64, 3, 127),
  c: Int32Array.of(-5, 12_345_678, -70_000, 2),
};

/** The constants that stand in assembly/relaxed-probe.ts. */
const CONSTANT: Operands = {
  a: Int8Array.of(-128, -128, -128, -128, 127, 127, 127, 127, -1, 2, -3, 4, -128, 0, 127, -127),
  b: Int8Array.of(127, 127, 127, 127, 127, 127, 127, 127, 5, 6, 7, 8, 1, 2, 3, 4),
  c: Int32Array.of(1000, -1000, 70_000, -8),
};

/** The build to use: relaxed only where its one relaxed operation gives the defined sums.
 *  @param binary other bytes of the probe than those built in */
export function chooseSimd(binary?: BufferSource): Simd {
  const bytes = binary ?? bytesFromBase64(RELAXED_PROBE_BASE64);
  if (!WebAssembly.validate(bytes)) return 'baseline';
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const probe = exports.probe as (ptr: number) => void;
  new Int8Array(memory.buffer, 0).set(LOADED.a);
  new Int8Array(memory.buffer, 16).set(LOADED.b);
  new Int32Array(memory.buffer, 32).set(LOADED.c);
  probe(0);
  const found = new Int32Array(memory.buffer, 48, 12);
  return expectedSums().every((sum, lane) => sum === found[lane]) ? 'relaxed' : 'baseline';
}

/** The twelve lanes that the probe must store. */
function expectedSums(): number[] {
  const once = dotAdd(LOADED, LOADED.c);
  const words = new Int32Array(LOADED.a.buffer);
  const twice = dotAdd(LOADED, once).map((sum, lane) => (sum + words[lane]) | 0);
  return [...once, ...dotAdd(CONSTANT, CONSTANT.c), ...twice];
}

/** Per lane: sum + Σ a · b over its four bytes. */
function dotAdd({ a, b }: Operands, sums: ArrayLike<number>): number[] {
  return Array.from(sums, (sum, lane) => {
    for (let i = 4 * lane; i < 4 * lane + 4; i += 1) sum += a[i] * b[i];
    return sum;
  });
}
