/** Attention taken apart against the reference kernel, which computes it in one piece. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attentionProbs,
  attentionScores,
  attentionValues,
  PUBLISHED_SCORES,
} from '../../src/conform/attention-parts.ts';
import { attention } from '../../src/kernels/reference/attention.ts';
import { alibiSlopes } from '../../src/layers/alibi.ts';
import { difference } from '../../src/verify/compare.ts';

const parts = suite('attention parts');
const [T, H, D] = [7, 3, 5];
const numbers = (seed: number) =>
  Float32Array.from({ length: T * H * D }, (_, i) => Math.sin(seed + 1.7 * i) * 2);

for (const slopes of [null, alibiSlopes(H)]) {
  const title = slopes === null ? 'without a bias' : 'with ALiBi';
  parts(`pair: the three equations together are the kernel's attention, ${title}`, () => {
    const [q, k, v] = [numbers(1), numbers(2), numbers(3)];
    const scale = 1 / Math.sqrt(D);
    // The kernel's cache: one block [H, 64, D].
    const [keys, values] = [k, v].map((x) => {
      const block = new Float32Array(H * 64 * D);
      for (let row = 0; row < T * H; row++) {
        const [t, h] = [Math.floor(row / H), row % H];
        block.set(x.subarray(row * D, (row + 1) * D), (h * 64 + t) * D);
      }
      return block;
    });
    const y = new Float32Array(T * H * D);
    const observe = { scores: new Float32Array(H * T * T), probs: new Float32Array(H * T * T) };
    const shape = { H, D, position: 0, count: T, scale, slopes };
    attention(y, q, { keys: [keys], values: [values] }, shape, observe, 0, H);

    const sizes = { T, H, D };
    const scores = attentionScores(q, k, { ...sizes, ...PUBLISHED_SCORES, scale, slopes });
    assert.equal(scores, observe.scores);
    const probs = attentionProbs(scores, sizes);
    const joined = attentionValues(probs, v, sizes);
    const relative = (a: Float32Array, b: Float32Array) =>
      difference({ shape: [a.length], values: a }, { shape: [b.length], values: b }).relative;
    // Scores are rounded between the steps here, to half a unit of the largest, 2^-24 · 4.
    assert.ok(relative(observe.probs, probs) < 5e-7);
    assert.ok(relative(y, joined) < 5e-7);
  });
}

parts('law: rows of probabilities add up to 1, and masked keys get exactly 0', () => {
  const scores = attentionScores(numbers(4), numbers(5), {
    ...{ T, H, D, scale: 1, slopes: null },
    ...PUBLISHED_SCORES,
  });
  const probs = attentionProbs(scores, { T, H, D });
  for (let row = 0; row < H * T; row++) {
    const values = [...probs.subarray(row * T, (row + 1) * T)];
    assert.ok(Math.abs(values.reduce((a, b) => a + b) - 1) < 1e-6);
    assert.ok(values.slice((row % T) + 1).every((prob) => prob === 0));
  }
});

parts.run();
