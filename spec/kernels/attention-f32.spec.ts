/** Attention over a float32 cache: the kernel against its mirror in float64. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MASKED_SCORE } from '../../src/kernels/kernels.ts';
import { attentionF32 } from '../../src/kernels/reference/attention-f32.ts';
import { alibiSlopes } from '../../src/layers/alibi.ts';
import {
  type AttentionCase,
  type AttentionInputs,
  attentionInputs,
  BOTH,
  runAttention,
} from '../support/attention-cases.ts';
import { addAttentionLaws, addVisibilityLaws } from '../support/attention-laws.ts';
import { type KernelMemory, kernelMemories } from '../support/kernel-memory.ts';

const spec = suite('attention-f32');

const memories = kernelMemories(420);
const SLOPES = Float32Array.of(0.84, 0.03, 0.25);

/** The mirror over the blocks that a kernel has filled. */
function mirror(shape: AttentionCase, inputs: AttentionInputs, table: readonly Uint8Array[]) {
  const { H, D, position, count, slopes } = shape;
  const length = H * count * (position + count);
  const [y, scores, probs] = [inputs.q.length, length, length].map((n) => new Float32Array(n));
  const blocks = table.map(({ buffer }) => new Float32Array(buffer));
  const sizes = [H, D, position, count, 1 / Math.sqrt(D)] as const;
  attentionF32(y, inputs.q, blocks, ...sizes, slopes, scores, probs, 0, H);
  return { y, scores, probs };
}

/** Holds a build to its bounds on one case. */
function check(memory: KernelMemory, shape: AttentionCase, inputs = attentionInputs(shape)): void {
  const found = runAttention(memory, 'f32', shape, inputs, { observed: BOTH });
  const expected = mirror(shape, inputs, found.table);
  const title = `D ${shape.D}, position ${shape.position}, count ${shape.count}`;
  const largest = inputs.v.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  found.y.forEach((value, i) => {
    const error = Math.abs(value - expected.y[i]);
    assert.ok(error <= 2e-6 * largest, `${title}: y[${i}] is off by ${error}`);
  });

  // A dot product is off by 8 · 2⁻²⁴ of the sum of its magnitudes, |q · k| ≤ 3, and the score by
  // three roundings more.
  const dotError = 8 * 2 ** -24 * 3 * Math.sqrt(shape.D);
  const S = shape.position + shape.count;
  for (let row = 0; row < shape.H * shape.count; row++) {
    let sum = 0;
    for (let s = 0; s < S; s++) {
      const [score, prob] = [expected.scores[row * S + s], expected.probs[row * S + s]];
      const foundProb = found.probs[row * S + s];
      sum += foundProb;
      if (score === MASKED_SCORE) {
        assert.is(found.scores[row * S + s], MASKED_SCORE, title);
        assert.is(foundProb, 0, title);
      } else {
        const scoreError = dotError + 2 ** -22 * Math.abs(score);
        assert.ok(Math.abs(found.scores[row * S + s] - score) <= scoreError, `${title}: score`);
        assert.ok(Math.abs(foundProb - prob) <= 2e-7 + 3 * dotError * prob, `${title}: prob`);
      }
    }
    assert.ok(Math.abs(sum - 1) <= 1e-6, `${title}: the probabilities sum to ${sum}`);
  }
}

for (const [build, memory] of Object.entries(memories)) {
  spec(`pair: ${build} keeps its bounds for every D`, () => {
    for (const D of [...Array(41).keys(), 63, 64, 65, 70, 100, 128]) {
      if (D === 0) continue;
      const slopes = D % 2 === 0 ? SLOPES.subarray(0, 2) : null;
      check(memory, { H: 2, D, position: (7 * D) % 70, count: 1 + (D % 5), slopes });
    }
  });

  spec(`pair: ${build} keeps its bounds at positions 0 to 130, for 1 to 9 queries`, () => {
    for (let position = 0; position <= 130; position++) {
      const slopes = position % 2 === 0 ? SLOPES : null;
      check(memory, { H: 3, D: 6, position, count: 1 + (position % 9), slopes });
    }
  });

  spec(`pair: ${build} keeps its bounds past position 4000, with the slopes of 40 heads`, () => {
    const slopes = Float32Array.from(alibiSlopes(40));
    for (const count of [1, 5]) check(memory, { H: 40, D: 4, position: 4090, count, slopes });
  });

  spec(`pair: ${build} keeps its bounds over thousands of equal values and even scores`, () => {
    const shape = { H: 2, D: 5, position: 4000, count: 2, slopes: null };
    const inputs = attentionInputs(shape);
    check(memory, shape, { ...inputs, q: inputs.q.map((x) => x / 64), v: inputs.v.map(Math.abs) });
  });

  addAttentionLaws(spec, 'f32', build, memory, memories.debug);
  addVisibilityLaws(spec, 'f32', build, memory);
}

spec.run();
