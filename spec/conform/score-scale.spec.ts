/** The bar of probabilities with and without their scores. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareTraces } from '../../src/conform/compare-traces.ts';
import type { TraceSource } from '../../src/conform/trace-source.ts';
import { GOLDENS } from '../support/goldens.ts';
import {
  goldenMetadata,
  goldenTensors,
  memoryTrace,
  type NamedTensors,
} from '../support/traces.ts';

const compare = suite('score scale');
const [golden] = GOLDENS;
const tensors = goldenTensors(golden);
const expected = await memoryTrace(tensors, goldenMetadata(golden));

/** Everything half as much again: all of it is beyond its bar. */
const wider: NamedTensors = new Map(
  [...tensors].map(([name, { values, ...tensor }]) => {
    const changed = tensor.dtype === 'I64' ? values : values.map((x) => x * 1.5);
    return [name, { ...tensor, values: changed }];
  }),
);

compare('law: the bar of probabilities knows the scores, compared or not', async () => {
  const found = await memoryTrace(wider);
  const barOf = async (trace: TraceSource, filter?: (name: string) => boolean) => {
    const { tensors: verdicts } = await compareTraces(trace, found, { filter });
    return verdicts.find(({ name }) => name.endsWith('0.self_attn.probs'))?.bar ?? 0;
  };
  const isProbs = (name: string) => name.endsWith('probs');
  const onlyProbs = new Map([...tensors].filter(([name]) => isProbs(name)));
  const withScores = await barOf(expected);
  assert.ok(withScores > 0);
  assert.is(await barOf(expected, isProbs), withScores);
  const without = await barOf(await memoryTrace(onlyProbs, goldenMetadata(golden)));
  assert.ok(without > withScores, `${without} for unknown scores, ${withScores} for these`);
});

compare.run();
