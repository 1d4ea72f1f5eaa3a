/** The attention mirror against the textbook form: whole score matrices, float64, another order. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_POSITIONS, MASKED_SCORE } from '../../src/kernels/kernels.ts';
import { attention } from '../../src/kernels/reference/attention.ts';
import { randomSource } from '../support/random.ts';

const kernel = suite('attention kernel');

interface Case {
  readonly H: number;
  readonly D: number;
  readonly position: number;
  readonly count: number;
  readonly slopes: Float32Array | null;
}

/** Keys and values `[S, H, D]` laid out in blocks `[H, 64, D]`; unused positions hold NaN. */
function inBlocks(rows: Float32Array, { H, D, position, count }: Case): Float32Array[] {
  const S = position + count;
  const blocks = Array.from({ length: Math.ceil(S / BLOCK_POSITIONS) }, () =>
    new Float32Array(H * BLOCK_POSITIONS * D).fill(Number.NaN),
  );
  for (let s = 0; s < S; s++) {
    for (let h = 0; h < H; h++) {
      const target = (h * BLOCK_POSITIONS + (s % BLOCK_POSITIONS)) * D;
      const row = rows.subarray((s * H + h) * D, (s * H + h + 1) * D);
      blocks[Math.floor(s / BLOCK_POSITIONS)].set(row, target);
    }
  }
  return blocks;
}

function inputs(shape: Case) {
  const { H, D, position, count } = shape;
  const random = randomSource(H * 1000 + position * 10 + count);
  const [k, v] = [
    random.signed((position + count) * H * D),
    random.signed((position + count) * H * D),
  ];
  return { q: random.signed(count * H * D, 3), k, v };
}

function run(shape: Case, headStart = 0, headEnd = shape.H) {
  const { H, D, position, count } = shape;
  const { q, k, v } = inputs(shape);
  const S = position + count;
  const y = new Float32Array(q.length).fill(-7);
  const observe = {
    scores: new Float32Array(H * count * S),
    probs: new Float32Array(H * count * S),
  };
  const sizes = { ...shape, scale: 1 / Math.sqrt(D) };
  const cache = { keys: inBlocks(k, shape), values: inBlocks(v, shape) };
  attention(y, q, cache, sizes, observe, headStart, headEnd);
  return { y, ...observe, S, H, D };
}

/** softmax(q kᵀ / √D + slope · s) v for one head and query, by the formula. */
function byFormula(shape: Case, h: number, t: number): { probs: number[]; y: number[] } {
  const { H, D, position, slopes } = shape;
  const { q, k, v } = inputs(shape);
  const at = (x: Float32Array, row: number) =>
    Array.from(x.subarray((row * H + h) * D, (row * H + h + 1) * D));
  const query = at(q, t);
  const visible = position + t + 1;
  const scores = Array.from({ length: visible }, (_, s) => {
    const dot = at(k, s).reduce((sum, key, i) => sum + key * query[i], 0);
    // The distance form of the paper, which softmax makes equal to the published one.
    return dot / Math.sqrt(D) - (slopes?.[h] ?? 0) * (visible - 1 - s);
  });
  const weights = scores.map((score) => Math.exp(score));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const probs = weights.map((weight) => weight / sum);
  const y = Array.from({ length: D }, (_, i) =>
    probs.reduce((total, prob, s) => total + prob * at(v, s)[i], 0),
  );
  return { probs, y };
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    H: fc.integer({ min: 1, max: 3 }),
    D: fc.constantFrom(4, 6, 10),
    position: fc.constantFrom(0, 1, 5, 62, 63, 64, 65, 127),
    count: fc.integer({ min: 1, max: 5 }),
    biased: fc.boolean(),
  })
  .map(({ biased, ...shape }) => ({
    ...shape,
    slopes: biased ? randomSource(shape.H).positive(shape.H, 0.7) : null,
  }));

kernel('law: outputs and probabilities are those of the formula, across block borders', () => {
  fc.assert(
    fc.property(cases, (shape) => {
      const { y, probs, S, H, D } = run(shape);
      for (let h = 0; h < H; h++) {
        for (let t = 0; t < shape.count; t++) {
          const expected = byFormula(shape, h, t);
          expected.probs.forEach((prob, s) => {
            assert.ok(Math.abs(probs[(h * shape.count + t) * S + s] - prob) <= 5e-6);
          });
          expected.y.forEach((value, i) => {
            assert.ok(Math.abs(y[(t * H + h) * D + i] - value) <= 5e-6);
          });
        }
      }
    }),
    { seed: 1, numRuns: 40 },
  );
});

kernel(
  'law: later keys are masked exactly, and what lies in unused positions is never read',
  () => {
    const shape = { H: 2, D: 4, position: 62, count: 3, slopes: null };
    const { scores, probs, y, S } = run(shape);
    assert.ok(y.every(Number.isFinite));
    for (let row = 0; row < shape.H * shape.count; row++) {
      const visible = shape.position + (row % shape.count) + 1;
      for (let s = 0; s < S; s++) {
        assert.is(scores[row * S + s] === MASKED_SCORE, s >= visible);
        if (s >= visible) assert.is(probs[row * S + s], 0);
      }
    }
  },
);

kernel('law: scores show the published bias, slope times key index', () => {
  const plain = { H: 2, D: 4, position: 0, count: 5, slopes: null };
  const biased = { ...plain, slopes: Float32Array.of(0.5, 0.125) };
  const [without, having] = [run(plain), run(biased)];
  for (let h = 0; h < 2; h++) {
    for (let s = 0; s < 5; s++) {
      const last = (h * 5 + 4) * 5 + s;
      const expected = without.scores[last] + biased.slopes[h] * s;
      assert.ok(Math.abs(having.scores[last] - expected) <= 2 ** -22 * Math.abs(expected));
    }
  }
});

kernel('law: heads may be done in any ranges, and others stay untouched', () => {
  const shape = { H: 3, D: 4, position: 2, count: 2, slopes: Float32Array.of(0.5, 0.25, 0.125) };
  const [whole, middle] = [run(shape).y, run(shape, 1, 2).y];
  whole.forEach((value, i) => {
    assert.is(middle[i], Math.floor(i / 4) % 3 === 1 ? value : -7);
  });
});

kernel.run();
