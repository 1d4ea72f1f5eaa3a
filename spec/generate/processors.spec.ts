import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  applyTemperature,
  keepMinP,
  keepTopK,
  keepTopP,
  type ProcessorOptions,
  penalizeRepetition,
  processLogits,
} from '../../src/generate/processors.ts';

interface ProcessorCase {
  options: Partial<ProcessorOptions>;
  logits: number[];
  contextIds: number[];
  scores: (number | null)[];
}

const test = suite('generate/processors');
const file = new URL('../../fixtures/generation/processors.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: ProcessorCase[] };

const OFF: ProcessorOptions = {
  doSample: true,
  repetitionPenalty: 1,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
};
/** ln 8, ln 4, ln 2, ln 1, ln 1: probabilities 8, 4, 2, 1, 1 sixteenths. */
const SIXTEENTHS = Float32Array.of(2.0794415416798357, 1.3862943611198906, Math.LN2, 0, 0);

/** The ids that were not removed. */
function kept(scores: Float32Array): number[] {
  return [...scores.keys()].filter((id) => scores[id] > Number.NEGATIVE_INFINITY);
}

test('golden: the processors give the scores of PyTorch, in order and to the last bit', () => {
  assert.ok(cases.length > 50);
  for (const { options, logits, contextIds, scores } of cases) {
    const found = processLogits(Float32Array.from(logits), new Set(contextIds), {
      ...OFF,
      ...options,
    });
    const expected = scores.map((score) => score ?? Number.NEGATIVE_INFINITY);
    assert.equal([...found], expected, JSON.stringify(options));
  }
});

test('law: the repetition penalty multiplies scores below 0 and divides the others, once', () => {
  const scores = Float32Array.of(3, -3, 0, 1, -1);
  const found = penalizeRepetition(scores, [0, 1, 2, 0], 1.5);
  assert.equal([...found], [2, -4.5, 0, 1, -1]);
  assert.equal([...scores], [3, -3, 0, 1, -1], 'the input is left as it was');
});

test('law: the repetition penalty rounds to float32 before and after', () => {
  const found = penalizeRepetition(Float32Array.of(1, -1), [0, 1], 1.1);
  assert.is(found[0], Math.fround(1 / Math.fround(1.1)));
  assert.is(found[1], -Math.fround(1.1));
});

test('law: the temperature divides every score', () => {
  assert.equal([...applyTemperature(Float32Array.of(1, -2, 3), 0.5)], [2, -4, 6]);
  assert.is(applyTemperature(Float32Array.of(1), 0.3)[0], Math.fround(1 / Math.fround(0.3)));
});

test('law: top_k keeps the k highest scores and all that equal the k-th', () => {
  const scores = Float32Array.of(1, 5, 3, 3, 0, 3);
  assert.equal(kept(keepTopK(scores, 1)), [1]);
  assert.equal(kept(keepTopK(scores, 2)), [1, 2, 3, 5]);
  assert.equal(kept(keepTopK(scores, 4)), [1, 2, 3, 5]);
  assert.equal(kept(keepTopK(scores, 5)), [0, 1, 2, 3, 5]);
  assert.equal(kept(keepTopK(scores, 99)), [0, 1, 2, 3, 4, 5]);
});

test('law: top_p keeps the fewest likeliest tokens that reach p', () => {
  assert.equal(kept(keepTopP(SIXTEENTHS, 0.4)), [0]);
  assert.equal(kept(keepTopP(SIXTEENTHS, 0.6)), [0, 1]);
  assert.equal(kept(keepTopP(SIXTEENTHS, 0.8)), [0, 1, 2]);
  assert.equal(kept(keepTopP(SIXTEENTHS, 0.99)), [0, 1, 2, 3, 4]);
});

test('law: top_p 0 keeps one token, and of equal scores the lower ids go first', () => {
  assert.equal(kept(keepTopP(SIXTEENTHS, 0)), [0]);
  assert.equal(kept(keepTopP(Float32Array.of(1, 1, 1, 1), 0)), [3]);
  assert.equal(kept(keepTopP(Float32Array.of(1, 1, 1, 1), 0.6)), [1, 2, 3]);
});

test('law: top_p at the border removes what adds up to exactly 1 - p', () => {
  // Two equal tokens: the first adds up to 0.5 = 1 - p and goes.
  assert.equal(kept(keepTopP(Float32Array.of(0, 0), 0.5)), [1]);
  assert.equal(kept(keepTopP(Float32Array.of(0, 0), 0.5001)), [0, 1]);
});

test('law: min_p keeps tokens at least that share of the likeliest', () => {
  assert.equal(kept(keepMinP(SIXTEENTHS, 0.6)), [0]);
  assert.equal(kept(keepMinP(SIXTEENTHS, 0.45)), [0, 1]);
  assert.equal(kept(keepMinP(SIXTEENTHS, 0.2)), [0, 1, 2]);
  assert.equal(kept(keepMinP(SIXTEENTHS, 0.12)), [0, 1, 2, 3, 4]);
  assert.equal(kept(keepMinP(SIXTEENTHS, 1)), [0]);
});

test('law: the order matters: top_p counts only what top_k left, after the temperature', () => {
  // Of the two that top_k leaves, the first has 2/3 ≥ 0.6 of the probability.
  assert.equal(kept(processLogits(SIXTEENTHS, [], { ...OFF, topK: 2, topP: 0.6 })), [0]);
  assert.equal(kept(processLogits(SIXTEENTHS, [], { ...OFF, topP: 0.6 })), [0, 1]);
  // Temperature 0.5 squares the probabilities: 64 of 86 instead of 8 of 16.
  assert.equal(kept(processLogits(SIXTEENTHS, [], { ...OFF, temperature: 0.5, topP: 0.6 })), [0]);
  // The penalty comes before top_k: token 0 falls from ln 8 to ln 2, level with token 2.
  const penalty = { ...OFF, repetitionPenalty: 3, topK: 1 };
  assert.equal(kept(processLogits(SIXTEENTHS, [0], penalty)), [1]);
});

test('law: the order matters: min_p comes last, after the temperature and top_p', () => {
  // Of sixteenths, 2 + 1 + 1 of 16 are more than 1 - 0.8, so top_p keeps token 2; of the 14 that
  // min_p would have left before, the 2 of token 2 are less, and it would go.
  assert.equal(kept(processLogits(SIXTEENTHS, [], { ...OFF, topP: 0.8, minP: 0.2 })), [0, 1, 2]);
  assert.equal(kept(keepTopP(keepMinP(SIXTEENTHS, 0.2), 0.8)), [0, 1], 'the other order differs');
  // Temperature 0.5 squares the probabilities: 16 of 64 instead of 4 of 8.
  assert.equal(kept(processLogits(SIXTEENTHS, [], { ...OFF, temperature: 0.5, minP: 0.3 })), [0]);
  assert.equal(kept(processLogits(SIXTEENTHS, [], { ...OFF, minP: 0.3 })), [0, 1]);
});

test('law: every option changes the scores; all off, they are the logits', () => {
  const plain = [...processLogits(SIXTEENTHS, [0], OFF)];
  assert.equal(plain, [...SIXTEENTHS]);
  const changes: Partial<ProcessorOptions>[] = [
    { repetitionPenalty: 1.2 },
    { temperature: 0.9 },
    { topK: 2 },
    { topP: 0.5 },
    { minP: 0.4 },
  ];
  for (const change of changes) {
    const found = [...processLogits(SIXTEENTHS, [0], { ...OFF, ...change })];
    assert.not.equal(found, plain, JSON.stringify(change));
  }
});

test('law: greedy decoding applies the repetition penalty and nothing else', () => {
  const options = {
    doSample: false,
    repetitionPenalty: 2,
    temperature: 5,
    topK: 1,
    topP: 0,
    minP: 1,
  };
  assert.equal(
    [...processLogits(SIXTEENTHS, [1], options)],
    [...penalizeRepetition(SIXTEENTHS, [1], 2)],
  );
});

test('law: removed tokens stay removed through every processor', () => {
  const scores = Float32Array.of(Number.NEGATIVE_INFINITY, 1, 2, Number.NEGATIVE_INFINITY);
  const all = {
    doSample: true,
    repetitionPenalty: 1.3,
    temperature: 2,
    topK: 3,
    topP: 0.9,
    minP: 0.1,
  };
  assert.equal(kept(processLogits(scores, [0, 1], all)), [1, 2]);
});

test.run();
