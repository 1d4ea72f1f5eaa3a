/** Random numbers of a documented generator: the same seed gives the same numbers everywhere.
 *
 *  xoshiro128** 1.1 (D. Blackman, S. Vigna, https://prng.di.unimi.it/xoshiro128starstar.c), whose
 *  four words of state are the two first outputs of splitmix64 started from the seed: low word,
 *  high word, low word, high word. A uniform number takes two outputs a, b, in this order:
 *    u = (⌊a / 2⁵⌋ · 2²⁶ + ⌊b / 2⁶⌋) / 2⁵³, 0 ≤ u < 1. */

/** Gives the next random number; state is inside. */
export interface Random {
  /** The next integer, 0 … 2³² - 1, uniform. */
  nextUint32(): number;
  /** The next number, 0 ≤ u < 1, uniform over the multiples of 2^-53. */
  nextUniform(): number;
}

const MASK_64 = 0xffffffffffffffffn;

/** Starts a generator.
 *  @param seed an integer, 0 … 2⁵³ - 1 */
export function makeRandom(seed: number): Random {
  const [first, second] = splitMix64(BigInt(seed), 2) as [bigint, bigint];
  return randomFromState([lowWord(first), highWord(first), lowWord(second), highWord(second)]);
}

/** Starts a generator from its four words of state, not all 0. */
export function randomFromState(state: readonly [number, number, number, number]): Random {
  let [s0, s1, s2, s3] = state;

  function nextUint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = rotateLeft(s3, 11);
    return result;
  }

  function nextUniform(): number {
    const high = nextUint32() >>> 5;
    const low = nextUint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  return { nextUint32, nextUniform };
}

/** The first outputs of splitmix64 (S. Vigna, https://prng.di.unimi.it/splitmix64.c).
 *  @param seed its starting state, 64 bits */
export function splitMix64(seed: bigint, count: number): bigint[] {
  const outputs: bigint[] = [];
  let state = seed;
  for (let index = 0; index < count; index++) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK_64;
    let mixed = ((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
    outputs.push(mixed ^ (mixed >> 31n));
  }
  return outputs;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function lowWord(value: bigint): number {
  return Number(value & 0xffffffffn);
}

function highWord(value: bigint): number {
  return Number(value >> 32n);
}
