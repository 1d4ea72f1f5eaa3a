/** A map from two symbols to a number, in one flat array: no string and no object per lookup.
 *
 *  Open addressing with linear probing; each slot holds left, right and value side by side, and an
 *  empty slot has left −1. At least half of the slots stay empty, so that a search ends soon; pairs
 *  chosen to crowd into few slots all the same are refused. */
import { BaichuanError } from '../errors.ts';

export interface PairMap {
  slots: Int32Array;
  /** Number of slots less 1; the number of slots is a power of two. */
  slotMask: number;
  size: number;
  /** How many slots away from their own all pairs are together. */
  detours: number;
}

/** The most that pairs may be away from their own slots: so many slots a pair, and so many more.
 *  Half a slot is to be expected. */
const MAX_MEAN_DETOUR = 16;
const MAX_FREE_DETOURS = 2 ** 16;

const SLOT_LENGTH = 3;
const EMPTY = -1;

/** A map without pairs. */
export function makePairMap(): PairMap {
  return emptyMap(1024);
}

/** Enters a pair of symbols, both at least 0, unless it is there already.
 *  @throws tokenizer-limit when the pairs are made to collide */
export function addPair(map: PairMap, left: number, right: number, value: number): void {
  if (2 * (map.size + 1) > map.slotMask + 1) grow(map);
  const at = findSlot(map, left, right);
  if (map.slots[at] !== EMPTY) return;
  map.slots[at] = left;
  map.slots[at + 1] = right;
  map.slots[at + 2] = value;
  map.size++;
  map.detours += (at / SLOT_LENGTH - hashPair(left, right)) & map.slotMask;
  if (map.detours > MAX_MEAN_DETOUR * map.size + MAX_FREE_DETOURS) throw crowdedError(map);
}

/** Looks a pair up. @returns its value, or `absent`; a negative symbol is in no pair */
export function findPair(map: PairMap, left: number, right: number, absent: number): number {
  if (left < 0) return absent;
  const at = findSlot(map, left, right);
  return map.slots[at] === EMPTY ? absent : map.slots[at + 2];
}

/** The index of the pair's slot, or of the empty one where it belongs. */
function findSlot({ slots, slotMask }: PairMap, left: number, right: number): number {
  let slot = hashPair(left, right) & slotMask;
  for (;;) {
    const at = SLOT_LENGTH * slot;
    if (slots[at] === EMPTY || (slots[at] === left && slots[at + 1] === right)) return at;
    slot = (slot + 1) & slotMask;
  }
}

/** Multiplicative hashing; the constants are odd and have no pattern in their bits. */
function hashPair(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0xbb67ae85);
  const spread = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  return spread ^ (spread >>> 13);
}

function grow(map: PairMap): void {
  const larger = emptyMap(2 * (map.slotMask + 1));
  for (let at = 0; at < map.slots.length; at += SLOT_LENGTH) {
    const left = map.slots[at];
    if (left !== EMPTY) addPair(larger, left, map.slots[at + 1], map.slots[at + 2]);
  }
  Object.assign(map, larger);
}

function emptyMap(slotCount: number): PairMap {
  const slots = new Int32Array(SLOT_LENGTH * slotCount).fill(EMPTY);
  return { slots, slotMask: slotCount - 1, size: 0, detours: 0 };
}

function crowdedError({ size, detours }: PairMap): BaichuanError {
  return new BaichuanError('tokenizer-limit', {
    where: 'pieces',
    what: `the pieces are made to collide: ${size} pairs of symbols take ${detours} detours.`,
    fix: 'Use the tokenizer.model that came with the checkpoint.',
    expected: MAX_MEAN_DETOUR * size + MAX_FREE_DETOURS,
    found: detours,
  });
}
