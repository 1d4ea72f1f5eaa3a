/** Super-blocks of 256 elements (the "K-quants") as float32, one a call; d and dmin are float16.
 *  Groups of 16 (Q2_K, Q3_K, Q6_K) or 32 elements (Q4_K, Q5_K) have an integer scale s and, where
 *  there is a dmin, an integer minimum m:
 *
 *      Q2_K   16 bytes s (low) and m (high), 64 bytes, d, dmin      y = d·s·q − dmin·m
 *      Q3_K   32 bytes of high bits, 64 bytes, 12 of s, d           y = d·(s − 32)·(q − 4)
 *      Q4_K   d, dmin, 12 bytes of s and m, 128 bytes               y = d·s·q − dmin·m
 *      Q5_K   d, dmin, 12 bytes of s and m, 32 high, 128 bytes      y = d·s·q − dmin·m
 *      Q6_K   128 bytes low, 64 high, 16 × int8 s, d                y = d·s·(q − 32)
 *
 *  The products have at most 25 bits (a float16 has 11, s up to 8, q up to 6) of which −128 · −32
 *  needs only one, so they are exact in float32, and only the difference is rounded.
 *  Source: ggml/src/ggml-quants.c, dequantize_row_q2_K and its neighbours. */
import { float16ToNumber } from '../../tensor/half-floats.ts';
import type { BlockDecoder } from './decode-blocks.ts';

/** Groups of 16 elements in a super-block. */
const GROUPS = 16;

/** Two bits an element: pair p of byte b of a half is its element 32 p + b. */
export const decodeQ2K: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at + 80, true));
  const dmin = float16ToNumber(view.getUint16(at + 82, true));
  for (let group = 0; group < GROUPS; group++) {
    const scales = view.getUint8(at + group);
    const [step, least] = [d * (scales & 15), Math.fround(dmin * (scales >>> 4))];
    const shift = pairShift(group);
    const from = at + 16 + pairOffset(group);
    const to = start + 16 * group;
    for (let i = 0; i < 16; i++) {
      y[to + i] = Math.fround(step * ((view.getUint8(from + i) >>> shift) & 3)) - least;
    }
  }
};

/** Two bits an element and, from the mask, a third that is 1 where nothing is to be subtracted. */
export const decodeQ3K: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at + 108, true));
  for (let group = 0; group < GROUPS; group++) {
    const step = d * (sixBitScale(view, at + 96, group) - 32);
    const shift = pairShift(group);
    const from = at + 32 + pairOffset(group);
    const mask = at + 16 * (group % 2);
    const to = start + 16 * group;
    for (let i = 0; i < 16; i++) {
      const high = (view.getUint8(mask + i) >>> (group >>> 1)) & 1;
      y[to + i] = step * (((view.getUint8(from + i) >>> shift) & 3) + 4 * high - 4);
    }
  }
};

/** Where the bytes begin that hold two bits of each element of a group of 16: a half of the
 *  super-block has 32 bytes, which its four pairs of groups share. */
function pairOffset(group: number): number {
  return 32 * Math.floor(group / 8) + 16 * (group % 2);
}

function pairShift(group: number): number {
  return 2 * (Math.floor(group / 2) % 4);
}

/** Scale of group g of 16: the low four bits in 8 bytes, the high two in the 4 after them. */
function sixBitScale(view: DataView, at: number, group: number): number {
  const low = view.getUint8(at + (group % 8)) >>> (group < 8 ? 0 : 4);
  const high = view.getUint8(at + 8 + (group % 4)) >>> (2 * Math.floor(group / 4));
  return (low & 15) + 16 * (high & 3);
}

/** Four bits an element: of each 64, the low nibbles of 32 bytes and then the high ones. */
export const decodeQ4K: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  const dmin = float16ToNumber(view.getUint16(at + 2, true));
  for (let group = 0; group < 8; group++) {
    const { scale, minimum } = scaleAndMinimum(view, at + 4, group);
    const [step, least] = [d * scale, Math.fround(dmin * minimum)];
    for (let i = 0; i < 32; i++) {
      const q = nibble(view.getUint8(at + 16 + 32 * Math.floor(group / 2) + i), group);
      y[start + 32 * group + i] = Math.fround(step * q) - least;
    }
  }
};

/** As Q4_K, with the fifth bit of element i of group g in bit g of byte i. */
export const decodeQ5K: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at, true));
  const dmin = float16ToNumber(view.getUint16(at + 2, true));
  for (let group = 0; group < 8; group++) {
    const { scale, minimum } = scaleAndMinimum(view, at + 4, group);
    const [step, least] = [d * scale, Math.fround(dmin * minimum)];
    for (let i = 0; i < 32; i++) {
      const low = nibble(view.getUint8(at + 48 + 32 * Math.floor(group / 2) + i), group);
      const q = low + 16 * ((view.getUint8(at + 16 + i) >>> group) & 1);
      y[start + 32 * group + i] = Math.fround(step * q) - least;
    }
  }
};

function nibble(byte: number, group: number): number {
  return group % 2 === 0 ? byte & 15 : byte >>> 4;
}

/** Six bits each. Groups 0 to 3 have bytes of their own, whose upper two bits are those of groups 4
 *  to 7, with the lower four in the last 4 bytes. */
function scaleAndMinimum(view: DataView, at: number, group: number) {
  if (group < 4) {
    return { scale: view.getUint8(at + group) & 63, minimum: view.getUint8(at + 4 + group) & 63 };
  }
  const low = view.getUint8(at + 4 + group);
  const scale = (low & 15) + 16 * (view.getUint8(at + group - 4) >>> 6);
  return { scale, minimum: (low >>> 4) + 16 * (view.getUint8(at + group) >>> 6) };
}

/** Six bits an element: of each 128, a nibble of 64 bytes and a pair of bits of 32. */
export const decodeQ6K: BlockDecoder = (view, at, y, start) => {
  const d = float16ToNumber(view.getUint16(at + 208, true));
  for (let group = 0; group < GROUPS; group++) {
    const step = d * view.getInt8(at + 192 + group);
    const shift = pairShift(group);
    const lowFrom = at + 64 * Math.floor(group / 8) + 16 * (group % 4);
    const lowShift = group % 8 < 4 ? 0 : 4;
    const highFrom = at + 128 + pairOffset(group);
    const to = start + 16 * group;
    for (let i = 0; i < 16; i++) {
      const low = (view.getUint8(lowFrom + i) >>> lowShift) & 15;
      const high = (view.getUint8(highFrom + i) >>> shift) & 3;
      y[to + i] = step * (low + 16 * high - 32);
    }
  }
};
