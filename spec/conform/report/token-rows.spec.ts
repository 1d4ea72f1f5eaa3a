/** Next tokens of a report, against float64 and the logits that PyTorch recorded. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareTraces } from '../../../src/conform/compare-traces.ts';
import { collectTokens, largest } from '../../../src/conform/report/token-rows.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { lazyTrace } from '../../support/report-traces.ts';
import { goldenTensors, memoryTrace, type NamedTensor } from '../../support/traces.ts';

const rows = suite('token rows');
const [golden] = GOLDENS;
const tensors = goldenTensors(golden);
const ids = [...(tensors.get('input_ids')?.values ?? [])];
const { shape, values } = tensors.get('logits') as NamedTensor;
const [T, V] = shape;
const expected = await memoryTrace(tensors);
const scaled = Float32Array.from(values, (x) => 1.5 * x);
const found = await memoryTrace(new Map([...tensors, ['logits', { shape, values: scaled }]]));

function softmax(scores: ArrayLike<number>): number[] {
  const max = Math.max(...Array.from(scores));
  const powers = Array.from(scores, (x) => Math.exp(x - max));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}

rows('golden: likeliest tokens, probabilities and divergence of every position', async () => {
  const table = await collectTokens({ expected, found }, ids, 0);
  assert.is(table?.rows.length, T);
  table?.rows.forEach((row, t) => {
    const [p, q] = [values, scaled].map((x) => softmax(x.subarray(t * V, (t + 1) * V)));
    const order = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, 3);
    assert.equal(
      row.expected?.top.map(({ id }) => id),
      order,
    );
    for (const [side, all] of [
      [row.expected, p],
      [row.found, q],
    ] as const) {
      for (const { id, probability } of side?.top ?? []) {
        assert.ok(Math.abs(probability - all[id]) < 1e-12);
      }
      const next = ids[t + 1];
      assert.ok(next === undefined || Math.abs((side?.next ?? -1) - all[next]) < 1e-12);
    }
    const divergence = p.reduce((sum, x, i) => sum + x * (Math.log(x) - Math.log(q[i])), 0);
    assert.ok(Math.abs((row.divergence ?? -1) - divergence) < 1e-9);
  });
  const verdict = await compareTraces(expected, found);
  const logits = verdict.tensors.find(({ name }) => name === 'logits')?.logits;
  const divergences = table?.rows.map(({ divergence }) => divergence ?? 0) ?? [];
  assert.is(Math.max(...divergences), logits?.klMax);
});

rows('law: points are pairs of scores, the likeliest of every row among them', async () => {
  const table = await collectTokens({ expected, found }, ids, 0);
  assert.ok((table?.points.length ?? 0) > 500 && (table?.points.length ?? 0) <= 2400);
  for (const { position, id, expected: a, found: b } of table?.points ?? []) {
    assert.equal([a, b], [values[position * V + id], scaled[position * V + id]]);
  }
  const places = new Set(table?.points.map(({ position, id }) => `${position} ${id}`));
  assert.is(places.size, table?.points.length);
  for (const { position, expected: side } of table?.rows ?? []) {
    assert.ok(places.has(`${position} ${side?.top[0].id}`));
  }
});

rows('law: of many positions the worst and the first are kept', async () => {
  const [positions, vocabulary] = [1000, 7];
  const score = (i: number) => (i * 31) % 11;
  const make = (change: (row: number) => number) =>
    lazyTrace(
      new Map([
        [
          'logits',
          {
            shape: [positions, vocabulary],
            valueAt: (i: number) =>
              score(i) + (i % vocabulary === 0 ? change(Math.floor(i / vocabulary)) : 0),
          },
        ],
      ]),
    );
  const odd = make((row) => (row % 100 === 99 ? 5 + row / 100 : 0));
  const table = await collectTokens({ expected: make(() => 0), found: odd }, [], 0);
  const kept = table?.rows.map(({ position }) => position) ?? [];
  assert.equal([table?.positions, kept.length], [positions, 96]);
  for (let row = 99; row < positions; row += 100) assert.ok(kept.includes(row), String(row));
  assert.equal(kept.slice(0, 40), [...Array(40).keys()]);
});

rows('law: scores that are no numbers have no likeliest token', async () => {
  const broken = Float32Array.from(values).fill(Number.NaN, 0, V);
  const nan = await memoryTrace(new Map([...tensors, ['logits', { shape, values: broken }]]));
  const table = await collectTokens({ expected, found: nan }, ids, 0);
  assert.equal([table?.rows[0].found?.top, table?.rows[0].divergence], [[], Infinity]);
  assert.is(table?.rows[1].divergence, 0);
});

rows('law: the largest come in order, the first of equal ones in front', () => {
  assert.equal(largest([1, 3, 3, 2, 5], 3), [4, 1, 2]);
  assert.equal(largest([2, 1], 3), [0, 1]);
  assert.equal(largest([], 3), []);
});

rows.run();
