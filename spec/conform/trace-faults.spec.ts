/** Which traces are said to be rounded to half precision. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareBackends } from '../../src/conform/compare-backends.ts';
import { roundBf16, roundF16 } from '../../src/conform/gallery/rounding.ts';
import { GOLDENS } from '../support/goldens.ts';
import { goldenTensors, memoryTrace, type NamedTensor } from '../support/traces.ts';

const faults = suite('trace faults');
const tensors = goldenTensors(GOLDENS[0]);
const expected = await memoryTrace(tensors);
const NAME = 'model.layers.1.mlp.gate_proj.output';
const { shape, values } = tensors.get(NAME) as NamedTensor;

/** The names that begin with `values-`, of a trace with one tensor changed. */
async function typesOf(change: (x: number, i: number) => number, arithmetic: string) {
  const changed = { shape, values: Float32Array.from(values, change) };
  const found = await memoryTrace(new Map([...tensors, [NAME, changed]]));
  const options = { class: arithmetic };
  const { pass, diagnosis } = await compareBackends(expected, found, options);
  assert.is(pass, false);
  return diagnosis.map(({ name }) => name).filter((name) => name.startsWith('values-'));
}

const bf16 = (x: number) => roundBf16(2 * x);
const f16 = (x: number) => roundF16(2 * x);

faults('law: rounded numbers are named where their class has looser bars', async () => {
  for (const [round, arithmetic, names] of [
    [bf16, 'f32', ['values-bf16']],
    [bf16, 'f16', ['values-bf16']],
    [bf16, 'bf16', []],
    [bf16, 'int8', []],
    [f16, 'f32', ['values-f16']],
    [f16, 'f16', []],
    [f16, 'bf16', []],
  ] as const) {
    assert.equal(await typesOf(round, arithmetic), names, `${names} in ${arithmetic}`);
  }
});

faults('law: what is no number, or zero, is of no type', async () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  for (const value of [nan, infinity, -infinity, 0]) {
    assert.equal(await typesOf(() => value, 'f32'), [], String(value));
    // A few numbers among them are chance.
    assert.equal(await typesOf((_, i) => (i < 7 ? 1 : value), 'f32'), [], String(value));
    const many = await typesOf((x, i) => (i < 64 ? bf16(x) : value), 'f32');
    assert.equal(many, ['values-bf16'], String(value));
  }
});

faults.run();
