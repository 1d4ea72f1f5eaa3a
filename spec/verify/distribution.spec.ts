/** Comparing next-token distributions: what must pass, and every way of being wrong. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareDistribution, logProbabilities } from '../../src/verify/distribution.ts';

const distribution = suite('distribution');

const BAR = 1e-5;
const V = 37;
const scores = Float32Array.from({ length: V }, (_, i) => ((i * 29) % V) * 0.4 - 7);
const top = scores.indexOf(Math.max(...scores));
const exact = logProbabilities(scores);

/** The k likeliest tokens with their log-probabilities. */
function likeliest(k: number, values: ArrayLike<number> = exact): Map<number, number> {
  const ids = [...scores.keys()].sort((a, b) => scores[b] - scores[a]).slice(0, k);
  return new Map(ids.map((id) => [id, values[id]]));
}

const asScores = (values: Float32Array) =>
  compareDistribution(scores, { kind: 'scores', values }, BAR);
const asList = (values: Map<number, number>) =>
  compareDistribution(scores, { kind: 'logprobs', values }, BAR);
const changed = (change: (values: Float32Array) => void) => {
  const values = scores.slice();
  change(values);
  return values;
};

distribution('law: log-probabilities are those of Math.log and Math.exp', () => {
  const sum = scores.reduce((total, x) => total + Math.exp(x), 0);
  exact.forEach((value, i) => {
    assert.ok(Math.abs(value - (scores[i] - Math.log(sum))) < 1e-12);
  });
});

distribution(
  'law: opposite scores fail under the widest bar, as do those whose choice is far',
  () => {
    const widest = (values: Float32Array) =>
      compareDistribution(scores, { kind: 'scores', values }, 0.75);
    assert.not(widest(scores.map((x) => -x)).pass);
    // A token that trails by 4 comes first: each score is within its bar, and yet it is no tie.
    const trailing = scores.findIndex((x) => Math.abs(scores[top] - 4 - x) < 0.1);
    const verdict = widest(changed((x) => x.fill(scores[top] + 0.5, trailing, trailing + 1)));
    assert.ok(verdict.difference <= verdict.allowed);
    assert.equal([verdict.pass, verdict.choiceAgrees], [false, false]);
  },
);

distribution('law: the same scores pass with difference 0', () => {
  const { pass, difference, expectedTop, foundTop, isTie } = asScores(scores);
  assert.equal([pass, difference, expectedTop, foundTop, isTie], [true, 0, top, top, false]);
});

for (const [title, values] of [
  ['the sign turned', scores.map((x) => -x)],
  ['everything negative', scores.map((x) => -Math.abs(x))],
  ['one NaN', changed((x) => x.fill(Number.NaN, 5, 6))],
  ['one infinity', changed((x) => x.fill(Number.POSITIVE_INFINITY, 5, 6))],
  ['one removed token', changed((x) => x.fill(Number.NEGATIVE_INFINITY, 5, 6))],
  ['reversed', scores.toReversed()],
  ['shifted by a constant', scores.map((x) => x + 0.01)],
  ['a token too few', scores.subarray(0, V - 1)],
  ['no token', new Float32Array(0)],
  ['one score beyond its bar', changed((x) => x.fill(x[5] + 2 * BAR * 7.4, 5, 6))],
] as const) {
  distribution(`law: scores with ${title} fail`, () => {
    const { pass, difference, allowed } = asScores(values);
    assert.not(pass);
    assert.ok(!(difference <= allowed));
  });
}

distribution('law: the place of the largest difference is told', () => {
  const { token, expected, found } = asScores(changed((x) => x.fill(3, 5, 6)));
  assert.equal([token, expected, found], [5, scores[5], 3]);
});

distribution('law: a difference within the bar passes, and the bar decides', () => {
  const values = changed((x) => x.fill(x[5] + 0.5 * BAR * 7.4, 5, 6));
  assert.ok(asScores(values).pass);
  assert.not(compareDistribution(scores, { kind: 'scores', values }, BAR / 10).pass);
});

distribution('law: lists of any length pass, float32 ones too', () => {
  for (let k = 1; k <= V; k++) {
    assert.ok(asList(likeliest(k)).pass, `${k}`);
    assert.ok(asList(likeliest(k, Float32Array.from(exact))).pass, `${k} as float32`);
  }
});

for (const [title, values] of [
  ['an empty list', new Map()],
  ['one log-probability off', likeliest(5).set(top, exact[top] - 0.01)],
  ['a NaN', likeliest(5).set(top, Number.NaN)],
  ['certainty of the likeliest alone', new Map([[top, 0]])],
  ['the likeliest left out', new Map([...likeliest(5)].slice(1))],
  ['the second left out', new Map([...likeliest(5)].filter((_, i) => i !== 1))],
  ['a token outside the vocabulary', likeliest(5).set(V + 3, -30)],
  ['all sure', new Map([...likeliest(5).keys()].map((id) => [id, 0]))],
  ['another temperature', new Map([...likeliest(5)].map(([id, x]) => [id, x * 1.01]))],
] as const) {
  distribution(`law: a list with ${title} fails`, () => {
    assert.not(asList(values).pass);
  });
}

distribution('law: a choice that rounding may make is a tie, another one is wrong', () => {
  const second = [...likeliest(2).keys()][1];
  const close = changed((x) => x.fill(x[top] - 1e-6, second, second + 1));
  const swapped = close.slice();
  [swapped[top], swapped[second]] = [close[second], close[top]];
  const found = { kind: 'scores', values: swapped } as const;
  const tie = compareDistribution(close, found, BAR);
  assert.equal([tie.pass, tie.isTie, tie.choiceAgrees], [true, true, true]);
  assert.equal([tie.expectedTop, tie.foundTop], [top, second]);
  assert.not(compareDistribution(close, found, 1e-9).choiceAgrees);
});

distribution('law: below e^-87 all tokens are equally unlikely', () => {
  const wide = Float32Array.of(0, -200, -500);
  for (const floor of [Number.NEGATIVE_INFINITY, -9999, -3.4028234663852886e38, -100]) {
    const values = new Map([
      [0, 0],
      [1, floor],
      [2, floor],
    ] as const);
    assert.ok(compareDistribution(wide, { kind: 'logprobs', values }, BAR).pass, `${floor}`);
  }
  const values = new Map([
    [0, 0],
    [1, -80],
  ] as const);
  assert.not(compareDistribution(wide, { kind: 'logprobs', values }, BAR).pass);
});

distribution.run();
