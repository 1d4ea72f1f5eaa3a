/** The laws of every packing kernel: it runs in a poisoned memory at any alignment, and its bytes
 *  are compared with those of its mirror; what lies around them must be untouched. */

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { createKernelBuilds, type KernelBuild } from './kernel-builds.ts';

const PAGES = 6;
const FIRST_BYTE = 65_536;
const MARGIN = 256;
const POISON = 0xff; // NaN in every float type, −1 in every integer

/** Small memories, since every case poisons the whole of one. */
export const PACK_BUILDS: readonly KernelBuild[] = createKernelBuilds(PAGES);

/** Rows to pack, and which of them. */
export interface Rows<Input> {
  /** `[rows, inFeatures]` in the type of the kernel. */
  readonly x: Input;
  readonly rows: number;
  readonly inFeatures: number;
  readonly rowStart: number;
  readonly rowEnd: number;
}

export interface PackKernel<Input> {
  readonly name: string;
  /** Rows for a case. */
  input(rows: number, inFeatures: number): Input;
  /** What lies in memory, in the order of the parameters. */
  buffers(x: Input): readonly ArrayBufferView[];
  /** Bytes of the blocks of so many rows. */
  packedBytes(rows: number, inFeatures: number): number;
  /** Writes with the mirror. */
  mirror(w: Uint8Array, given: Rows<Input>): void;
  /** Writes with the kernel. */
  kernel(build: KernelBuild, wPtr: number, pointers: readonly number[], given: Rows<Input>): void;
}

export interface Placing {
  /** Bytes by which pointers miss a multiple of 16. */
  readonly shift?: number;
  /** Puts the last input at the end of the memory: reading past it traps. */
  readonly atEnd?: boolean;
}

/** Compares kernel and mirror on one case, every byte of the target and of its surroundings. */
export function checkPair<Input>(
  build: KernelBuild,
  pack: PackKernel<Input>,
  given: Rows<Input>,
  { shift = 0, atEnd = false }: Placing = {},
): void {
  const { rows, inFeatures, rowStart, rowEnd } = given;
  const title = `${rows} × ${inFeatures}, rows ${rowStart} to ${rowEnd}, shift ${shift}`;
  const expected = new Uint8Array(pack.packedBytes(rowEnd, inFeatures)).fill(POISON);
  pack.mirror(expected, given);

  const bytes = new Uint8Array(build.memory.buffer).fill(POISON, FIRST_BYTE);
  const target = FIRST_BYTE + MARGIN + shift;
  const end = target + expected.length;
  let free = target + Math.ceil(expected.length / 16) * 16 + MARGIN;
  const buffers = pack.buffers(given.x);
  const pointers = buffers.map(({ buffer, byteOffset, byteLength }, index) => {
    const isAtEnd = atEnd && index === buffers.length - 1;
    const pointer = isAtEnd ? bytes.length - byteLength : free;
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), pointer);
    free += Math.ceil(byteLength / 16) * 16 + MARGIN;
    return pointer;
  });
  assert.ok(free <= bytes.length, `${title}: the memory is too small`);
  pack.kernel(build, target, pointers, given);

  const found = bytes.subarray(target, end);
  const place = found.findIndex((byte, index) => byte !== expected[index]);
  assert.is(place, -1, `${title}: byte ${place} is ${found[place]}, not ${expected[place]}`);
  const isPoison = (byte: number) => byte === POISON;
  assert.ok(bytes.subarray(target - MARGIN, target).every(isPoison), `${title}: before`);
  assert.ok(bytes.subarray(end, end + MARGIN).every(isPoison), `${title}: behind`);
}

/** Adds the laws that every packing kernel obeys, in every build. */
export function addPackLaws<Input>(spec: Test, pack: PackKernel<Input>): void {
  for (const build of PACK_BUILDS) {
    const { name } = build;
    const check = (rows: number, inFeatures: number, place: Placing, range = [0, rows]) => {
      const [rowStart = 0, rowEnd = rows] = range;
      const x = pack.input(rows, inFeatures);
      checkPair(build, pack, { x, rows, inFeatures, rowStart, rowEnd }, place);
    };

    spec(`pair: ${name} ${pack.name} agrees at every length 0 to 100 and alignment`, () => {
      for (let inFeatures = 0; inFeatures <= 100; inFeatures++) {
        check((inFeatures * 5) % 18, inFeatures, { shift: 4 * (inFeatures % 4) });
      }
    });

    spec(`pair: ${name} ${pack.name} agrees for 0 to 17 rows, at the end of the memory`, () => {
      for (let rows = 0; rows <= 17; rows++) check(rows, 43 + rows, { atEnd: true });
    });

    spec(`pair: ${name} ${pack.name} writes the rows of its range and no other`, () => {
      const ranges = [
        [0, 8],
        [8, 24],
        [24, 29],
        [16, 29],
        [8, 8],
      ];
      for (const range of ranges) check(29, 37, { shift: 4 }, range);
    });
  }
}
