import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { collectStatistics, isBeyond, type TensorStatistics } from '../../src/verify/statistics.ts';

const statistics = suite('statistics');
const MASKED = -3.4028234663852886e38;
const { POSITIVE_INFINITY: INFINITY, NaN: NAN } = Number;

function measure(expected: number[], found: number[], slack = 0): TensorStatistics {
  const collector = collectStatistics();
  collector.add(Float64Array.from(expected), Float64Array.from(found), slack);
  return collector.result();
}

statistics('law: the measures are those of the formulas', () => {
  const { relative, nmse, cosine, ...rest } = measure([3, -4, 0, 1], [3, -2, 1, 1]);
  assert.equal(rest, { count: 4, maxAbs: 2, largest: 4, worst: 1, excess: 0.5 });
  assert.is(relative, 0.5);
  assert.is(nmse, 5 / 26);
  assert.ok(Math.abs(cosine - 18 / Math.sqrt(26 * 15)) < 1e-15);
});

statistics('law: pieces give what the whole gives', () => {
  const [expected, found] = [
    [1, 2, 3, 4, 5],
    [1, 2.5, 3, 3, 5],
  ];
  const collector = collectStatistics();
  for (const [start, end] of [
    [0, 2],
    [2, 2],
    [2, 5],
  ]) {
    const [a, b] = [expected, found].map((x) => Float64Array.from(x.slice(start, end)));
    collector.add(a, b);
  }
  assert.equal(collector.result(), measure(expected, found));
});

statistics('law: a changed sign is seen, between positive and between negative numbers', () => {
  assert.is(measure([3, 4], [3, -4]).relative, 2);
  assert.is(measure([-3, -4], [-3, 4]).relative, 2);
  assert.is(measure([-3, -4], [3, 4]).cosine, -1);
  assert.is(measure([-3, -4], [-3, -5]).relative, 0.25);
});

statistics('law: NaN on either side or on both is infinitely far', () => {
  for (const [e, f] of [
    [NAN, 1],
    [1, NAN],
    [NAN, NAN],
  ]) {
    const { maxAbs, relative, excess, nmse, worst } = measure([1, e], [1, f]);
    assert.equal([maxAbs, relative, excess, nmse], [INFINITY, INFINITY, INFINITY, INFINITY]);
    assert.is(worst, 1);
    assert.ok(isBeyond(e, f, 1e9));
  }
});

statistics('law: an infinity is equal to itself only', () => {
  assert.is(measure([INFINITY, 1], [INFINITY, 1]).relative, 0);
  for (const [e, f] of [
    [INFINITY, 5],
    [5, INFINITY],
    [INFINITY, -INFINITY],
  ]) {
    assert.is(measure([e, 1], [f, 1]).relative, INFINITY);
    assert.ok(isBeyond(e, f, 1e9));
  }
});

statistics('law: masked scores are a set, whatever stands for −∞, and in no sum', () => {
  const { relative, nmse, largest } = measure([2, MASKED, 1], [2, -INFINITY, 1]);
  assert.equal([relative, nmse, largest], [0, 0, 2]);
  assert.is(measure([2, MASKED], [2, 0]).relative, INFINITY);
  assert.is(measure([2, 0], [2, MASKED]).relative, INFINITY);
  assert.ok(isBeyond(MASKED, 0, 1e39) && !isBeyond(MASKED, -1e38, 0));
});

statistics('law: anything but zero is infinitely far from all zeros', () => {
  assert.is(measure([0, 0], [0, 1e-30]).relative, INFINITY);
  assert.is(measure([0, 0], [0, 0]).relative, 0);
});

statistics('law: slack is taken off each difference, and only there', () => {
  const { excess, relative } = measure([10, 0], [10, 3], 1);
  assert.equal([excess, relative], [0.2, 0.3]);
  assert.is(measure([10, 0], [10, 3], 3).excess, 0);
});

statistics.run();
