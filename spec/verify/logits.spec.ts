import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { collectLogitsStatistics } from '../../src/verify/logits.ts';

const logits = suite('logits');

/** Scores whose softmax is `p`, moved by a constant. */
const scoresOf = (p: number[], shift = 0) => Float64Array.from(p, (x) => Math.log(x) + shift);
const close = (found: number | undefined, expected: number, within = 1e-14) =>
  assert.ok(Math.abs((found ?? Number.NaN) - expected) < within, `${found} is not ${expected}`);

logits('law: KL is Σ p (ln p − ln q), whatever constant is added to the scores', () => {
  const collector = collectLogitsStatistics();
  collector.add(scoresOf([0.5, 0.5], 7), scoresOf([0.75, 0.25], -3), undefined);
  collector.add(scoresOf([0.2, 0.8]), scoresOf([0.2, 0.8], 100), undefined);
  const { klMean, klMax, klP999, positions } = collector.result();
  const expected = 0.5 * Math.log(0.5 / 0.75) + 0.5 * Math.log(0.5 / 0.25);
  close(klMax, expected);
  close(klMean, expected / 2);
  close(klP999, expected);
  assert.is(positions, 2);
});

logits('law: p99.9 leaves out one position in a thousand', () => {
  const collector = collectLogitsStatistics();
  for (let i = 0; i < 2000; i++) {
    const q = i < 2 ? [0.9, 0.1] : [0.5, 0.5];
    collector.add(scoresOf([0.5, 0.5]), scoresOf(q), undefined);
  }
  const { klP999, klMax } = collector.result();
  close(klP999, 0);
  assert.ok(klMax > 0.5);
});

logits('law: another first token is a tie where the bar lets rounding choose it', () => {
  const agreement = (bar: number, expected: number[], found: number[]) => {
    const collector = collectLogitsStatistics(bar);
    collector.add(Float64Array.from(expected), Float64Array.from(found), undefined);
    const { top1Agreement, ties } = collector.result();
    return [top1Agreement, ties];
  };
  assert.equal(agreement(0.01, [3, 1, 0], [3, 1, 2]), [1, 0]);
  assert.equal(agreement(0.01, [3, 2.95, 0], [2.95, 3, 0]), [1, 1]);
  assert.equal(agreement(0.01, [3, 2.93, 0], [2.93, 3, 0]), [0, 0]);
  assert.equal(agreement(0, [3, 3, 0], [3, 3.1, 0]), [1, 1]);
  assert.equal(agreement(0.01, [3, 1], [1, 3]), [0, 0]);
});

logits('law: a NaN is no first token, and infinitely far', () => {
  const collector = collectLogitsStatistics(1);
  collector.add(Float64Array.of(1, 1), Float64Array.of(Number.NaN, 1), undefined);
  const { top1Agreement, klMax } = collector.result();
  assert.equal([top1Agreement, klMax], [0, Number.POSITIVE_INFINITY]);
});

logits('law: perplexity is e^(−mean ln p) of the tokens that followed', () => {
  const collector = collectLogitsStatistics();
  collector.add(scoresOf([0.5, 0.25, 0.25]), scoresOf([0.25, 0.5, 0.25]), 0);
  collector.add(scoresOf([0.5, 0.125, 0.375]), scoresOf([0.25, 0.5, 0.25]), 1);
  collector.add(scoresOf([0.5, 0.5, 1e-9]), scoresOf([0.5, 0.5, 1e-9]), undefined);
  const { perplexityExpected, perplexityFound } = collector.result();
  close(perplexityExpected, Math.sqrt(2 * 8));
  close(perplexityFound, Math.sqrt(4 * 2));
});

logits('law: without labels there is no perplexity', () => {
  assert.is(collectLogitsStatistics().result().perplexityExpected, undefined);
});

logits.run();
