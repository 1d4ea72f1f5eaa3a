/** Attention over an int8 cache: the kernel has the bits of its mirror, which is as near to the
 *  formula over the dequantized cache as the steps of its integers allow. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quantizeRow } from '../../src/kernels/reference/append-key-value.ts';
import { attention } from '../../src/kernels/reference/attention.ts';
import { attentionInt8 } from '../../src/kernels/reference/attention-int8.ts';
import { alibiSlopes } from '../../src/layers/alibi.ts';
import {
  type AttentionCase,
  type AttentionInputs,
  attentionInputs,
  OBSERVATIONS,
  runAttention,
} from '../support/attention-cases.ts';
import { addAttentionLaws, addVisibilityLaws } from '../support/attention-laws.ts';
import { expectSame, type KernelMemory, kernelMemories } from '../support/kernel-memory.ts';

const spec = suite('attention-int8');

const memories = kernelMemories(300);
const SLOPES = Float32Array.of(0.84, 0.03, 0.25);

/** The mirror over the blocks that a kernel has filled. */
function mirror(shape: AttentionCase, inputs: AttentionInputs, table: readonly Uint8Array[]) {
  const { H, D, position, count, slopes } = shape;
  const length = H * count * (position + count);
  const [y, scores, probs] = [inputs.q.length, length, length].map((n) => new Float32Array(n));
  const blocks = table.map(({ buffer }) => new Int8Array(buffer));
  const sizes = [H, D, position, count, 1 / Math.sqrt(D)] as const;
  attentionInt8(y, inputs.q, blocks, ...sizes, slopes, scores, probs, 0, H);
  return { y, scores, probs };
}

/** Compares every bit of a build with the mirror. */
function check(memory: KernelMemory, shape: AttentionCase, inputs = attentionInputs(shape)): void {
  const { table } = runAttention(memory, 'int8', shape, inputs);
  const expected = mirror(shape, inputs, table);
  const title = `D ${shape.D}, position ${shape.position}, count ${shape.count}`;
  for (const observed of OBSERVATIONS) {
    const found = runAttention(memory, 'int8', shape, inputs, { observed });
    for (const part of ['y', ...observed] as const) {
      expectSame(found[part], expected[part], `${part}, observing ${observed}, ${title}`);
    }
  }
}

/** Rows `[R, D]` through int8 and back, with the largest scale. */
function throughInt8(x: Float32Array, D: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += D) {
    const { q, scale } = quantizeRow(x.subarray(row, row + D));
    y.set(
      Float32Array.from(q, (value) => value * scale),
      row,
    );
  }
  return y;
}

/** Rows `[S, H, D]` in blocks `[H, 64, D]`. */
function inBlocks(rows: Float32Array, H: number, D: number): Float32Array[] {
  const S = rows.length / (H * D);
  const blocks = Array.from({ length: Math.ceil(S / 64) }, () => new Float32Array(H * 64 * D));
  for (let row = 0; row < S * H; row++) {
    const [s, h] = [Math.floor(row / H), row % H];
    const target = (h * 64 + (s % 64)) * D;
    blocks[Math.floor(s / 64)].set(rows.subarray(row * D, (row + 1) * D), target);
  }
  return blocks;
}

spec('law: y is within the steps of query and weights of the formula over the cache', () => {
  for (const { D, position, count } of [
    { D: 3, position: 0, count: 5 },
    { D: 16, position: 61, count: 6 },
    { D: 128, position: 200, count: 2 },
  ]) {
    for (const slopes of [null, SLOPES]) {
      const shape = { H: 3, D, position, count, slopes, magnitude: 0.7 };
      const inputs = attentionInputs(shape);
      const found = runAttention(memories.baseline, 'int8', shape, inputs).y;
      const [k, v] = [throughInt8(inputs.k, D), throughInt8(inputs.v, D)];
      const cache = { keys: inBlocks(k, 3, D), values: inBlocks(v, 3, D) };
      const expected = new Float32Array(found.length);
      const nothing = { scores: null, probs: null };
      attention(expected, inputs.q, cache, { ...shape, scale: 1 / Math.sqrt(D) }, nothing, 0, 3);

      // Half a step of the query times the greatest Σ|k| is what a score may be off by; e² of that
      // what a quotient of exponentials may. Half a step of a weight is 1/32766 of the greatest of
      // its block, whose 64 positions it may touch.
      const step = inputs.q.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / 127;
      let keySum = 0;
      for (let row = 0; row < k.length; row += D) {
        const sum = k.subarray(row, row + D).reduce((total, x) => total + Math.abs(x), 0);
        keySum = Math.max(keySum, sum);
      }
      const scoreError = ((0.5 + 2 ** -14) * step * keySum) / Math.sqrt(D) + 1e-5;
      const largest = v.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      const bound = (Math.exp(2 * scoreError) - 1 + 64 / 32766) * largest;
      assert.ok(bound < 0.2 * largest, 'the bound says something');
      found.forEach((value, i) => {
        const error = Math.abs(value - expected[i]);
        assert.ok(error <= bound, `D ${D}: y[${i}] is off by ${error}, the bound is ${bound}`);
      });
    }
  }
});

for (const [build, memory] of Object.entries(memories)) {
  spec(`pair: ${build} agrees bit for bit for every D`, () => {
    for (const D of [...Array(41).keys(), 63, 64, 65, 70, 100, 128]) {
      if (D === 0) continue;
      const slopes = D % 2 === 0 ? SLOPES.subarray(0, 2) : null;
      check(memory, { H: 2, D, position: (7 * D) % 70, count: 1 + (D % 5), slopes });
    }
  });

  spec(`pair: ${build} agrees bit for bit at positions 0 to 130, for 1 to 9 queries`, () => {
    for (let position = 0; position <= 130; position++) {
      const slopes = position % 2 === 0 ? SLOPES : null;
      check(memory, { H: 3, D: 6, position, count: 1 + (position % 9), slopes });
    }
  });

  spec(`pair: ${build} agrees bit for bit past position 4000, with the slopes of 40 heads`, () => {
    const slopes = Float32Array.from(alibiSlopes(40));
    for (const count of [1, 3]) check(memory, { H: 40, D: 4, position: 4093, count, slopes });
  });

  spec(`pair: ${build} agrees bit for bit on rows of zeros, and on tiny and huge ones`, () => {
    const shape = { H: 2, D: 6, position: 67, count: 3, slopes: SLOPES.subarray(0, 2) };
    const inputs = attentionInputs(shape);
    for (const factor of [0, 1e-20, 2 ** -100, 1e-33, 1e15]) {
      check(memory, shape, { ...inputs, v: inputs.v.map((x) => x * factor) });
      check(memory, shape, { ...inputs, k: inputs.k.map((x) => x * factor) });
      check(memory, shape, { ...inputs, q: inputs.q.map((x) => x * factor) });
    }
  });

  addAttentionLaws(spec, 'int8', build, memory, memories.debug);
  addVisibilityLaws(spec, 'int8', build, memory);
}

spec.run();
