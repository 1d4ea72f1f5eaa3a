/** The laws that attention obeys over every kind of cache, in every build: a query has the same
 *  bits whatever is computed beside it, and what it does not see does not exist for it. */

import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CacheFormat } from '../../src/kernels/wasm/layout.ts';
import {
  type AttentionCase,
  type AttentionInputs,
  attentionInputs,
  BOTH,
  OBSERVATIONS,
  runAttention,
} from './attention-cases.ts';
import { expectSame, type KernelMemory } from './kernel-memory.ts';

const SLOPES = Float32Array.of(0.84, 0.03, 2);

/** Cases at the borders of quads, tiles and blocks, with steep and gentle slopes and without. */
const SHAPES: AttentionCase[] = [0, 1, 3, 57, 62, 64, 125, 500].flatMap((position, i) => [
  { H: 3, D: 5 + 4 * i, position, count: 9, slopes: i % 2 === 0 ? SLOPES : null },
  { H: 3, D: 8, position, count: 1 + i, slopes: i % 2 === 0 ? null : SLOPES },
]);

/** Adds the laws for one kind of cache and one build.
 *  @param first a build whose bits are the measure */
export function addAttentionLaws(
  spec: Test,
  format: CacheFormat,
  build: string,
  memory: KernelMemory,
  first: KernelMemory,
): void {
  const name = `law: ${build} ${format}`;
  const run = (shape: AttentionCase, inputs = attentionInputs(shape), options = {}) =>
    runAttention(memory, format, shape, inputs, options);

  spec(`${name} has the bits of the other builds`, () => {
    for (const shape of SHAPES) {
      const options = { observed: BOTH };
      const expected = runAttention(first, format, shape, attentionInputs(shape), options);
      const found = run(shape, undefined, options);
      for (const part of ['y', 'scores', 'probs'] as const) {
        expectSame(found[part], expected[part], `${part}, position ${shape.position}`);
      }
    }
  });

  spec(`${name} has the same bits in chunks of any size, and observed`, () => {
    for (const shape of SHAPES) {
      const { y } = run(shape);
      const title = `position ${shape.position}`;
      for (const chunk of [1, 2, 3, 4, 5]) {
        expectSame(run(shape, undefined, { chunk }).y, y, `chunks of ${chunk}, ${title}`);
      }
      const all = { ...run(shape, undefined, { observed: BOTH }), y };
      for (const observed of OBSERVATIONS) {
        const found = run(shape, undefined, { observed });
        for (const part of ['y', ...observed] as const) expectSame(found[part], all[part], title);
      }
      expectSame(run(shape, undefined, { shift: 12 }).y, y, `aligned otherwise, ${title}`);
    }
  });

  spec(`${name} does the heads of its range and no other`, () => {
    const [shape] = SHAPES;
    const { H, D } = shape;
    for (const count of [1, 9]) {
      const whole = run({ ...shape, count }).y;
      const expected = whole.map((value, i) => (Math.floor(i / D) % H === 1 ? value : -7));
      expectSame(run({ ...shape, count }, undefined, { heads: [1, 2] }).y, expected, 'head 1');
      const none = whole.map(() => -7);
      expectSame(run({ ...shape, count }, undefined, { heads: [2, 2] }).y, none, 'no head');
    }
  });
}

/** Adds the laws about what a query does not see, for one kind of cache and one build. */
export function addVisibilityLaws(
  spec: Test,
  format: CacheFormat,
  build: string,
  memory: KernelMemory,
): void {
  const name = `law: ${build} ${format}`;
  const run = (shape: AttentionCase, inputs = attentionInputs(shape), options = {}) =>
    runAttention(memory, format, shape, inputs, options);

  spec(`${name} does not see later positions, NaN or not`, () => {
    for (const shape of SHAPES) {
      const inputs = attentionInputs(shape);
      const expected = run(shape, inputs).y;
      const row = shape.H * shape.D;
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const last = inputs.k.length - row;
        const broken = { ...inputs, k: inputs.k.slice().fill(bad, last) };
        broken.v = inputs.v.slice().fill(bad, last);
        const { y } = run(shape, broken);
        const seen = (shape.count - 1) * row;
        expectSame(y.subarray(0, seen), expected.subarray(0, seen), `${shape.position}`);
        assert.ok(y.subarray(seen).every(Number.isNaN), `the last one sees ${bad}`);
      }
    }
  });

  spec(`${name} does not read what is too far away to count, of whatever neighbours see it`, () => {
    const shape = { H: 1, D: 9, position: 300, count: 6, slopes: Float32Array.of(0.7) };
    const inputs: AttentionInputs = attentionInputs(shape);
    const expected = run(shape, inputs).y;
    // e^−104 is 0: positions 160 and more away, in steep slopes. Block 1 ends at 127.
    const broken = { ...inputs, v: inputs.v.slice().fill(Number.POSITIVE_INFINITY, 0, 127 * 9) };
    for (const chunk of [1, 2, 4, 6]) {
      expectSame(run(shape, broken, { chunk }).y, expected, `chunks of ${chunk}`);
    }
  });

  spec(`${name} takes a count of 0, and a scale and slopes that matter`, () => {
    const shape: AttentionCase = { ...SHAPES[2], count: 0, position: 5 };
    assert.is(run(shape).y.length, 0);
    const biased = { ...SHAPES[0], position: 9, count: 2 };
    const plain = run({ ...biased, slopes: null }).y;
    const zeros = run({ ...biased, slopes: new Float32Array(3) }).y;
    expectSame(zeros, plain, 'slopes of 0');
    assert.not.equal(run(biased).y, plain);
    assert.not.equal(run({ ...biased, magnitude: 2 }).y, run(biased).y);
  });
}
