import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeRandom, randomFromState, splitMix64 } from '../../src/generate/random.ts';
import { sampleToken } from '../../src/generate/sampler.ts';

interface RandomCase {
  seed: number;
  integers: number[];
  uniforms: number[];
  scores: number[];
  tokens: number[];
}

const test = suite('generate/random');
const file = new URL('../../fixtures/generation/random.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: RandomCase[] };

test('golden: xoshiro128** gives the numbers of the published C code', () => {
  // State and outputs of the reference implementation, as published in tests of other ports.
  const random = randomFromState([0x964d4a0c, 0xd40ab895, 0xad7fdecb, 0x3006f0f0]);
  const numbers = [1, 2, 3, 4].map(() => random.nextUint32());
  assert.equal(numbers, [0xf1391922, 0x6fe53806, 0xa5be2840, 0xf510ee70]);
});

test('golden: splitmix64 gives the numbers of the published C code', () => {
  const expected = [6457827717110365317n, 3203168211198807973n, 9817491932198370423n];
  assert.equal(splitMix64(1234567n, 3), expected);
});

test('golden: a seed gives the integers and uniform numbers of an independent program', () => {
  assert.is(cases.length, 8);
  for (const { seed, integers, uniforms } of cases) {
    const random = makeRandom(seed);
    assert.equal(
      integers.map(() => random.nextUint32()),
      integers,
    );
    const again = makeRandom(seed);
    assert.equal(
      uniforms.map(() => again.nextUniform()),
      uniforms,
    );
  }
});

test('golden: a seed gives the tokens of an independent program', () => {
  for (const { seed, scores, tokens } of cases) {
    const random = makeRandom(seed);
    const logits = Float32Array.from(scores);
    assert.equal(
      tokens.map(() => sampleToken(logits, random)),
      tokens,
    );
  }
});

test('law: another seed gives other numbers, above 2^32 too', () => {
  const seeds = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER];
  const firsts = new Set(seeds.map((seed) => makeRandom(seed).nextUniform()));
  assert.is(firsts.size, seeds.length);
});

test('law: uniform numbers fill 0 ≤ u < 1 evenly', () => {
  const random = makeRandom(7);
  const bins = new Array<number>(64).fill(0);
  for (let index = 0; index < 64_000; index++) bins[Math.floor(random.nextUniform() * 64)]++;
  const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  // 63 degrees of freedom: 99.9 % of runs lie between 32 and 104.
  assert.ok(chiSquare > 32 && chiSquare < 104, `${chiSquare}`);
});

test.run();
