/** Traces that are put together from chunks. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/engine/load.ts';
import { float32, type Tensor } from '../../src/tensor/tensor.ts';
import { GOLDENS, runner } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';

const engine = suite('recorder');
const [alibi] = GOLDENS;
const alibiModel = await load(new URL(`../../fixtures/goldens/${alibi.name}/`, import.meta.url));
const random = (length: number, vocabSize: number) =>
  Array.from({ length }, (_, i) => (i * 7919 + 13) % vocabSize);

engine('law: a trace that is cut into chunks has the bits of one pass', async () => {
  const ids = random(150, 96);
  const { run, kvCache } = await runner(alibi, 'wasm');
  const whole = new Map<string, Float32Array>();
  const tap = (name: string, tensor: Tensor) => whole.set(name, float32(tensor).slice());
  run([{ sequence: kvCache.open(), ids }], tap);
  const { tensors } = await alibiModel.trace(ids);
  assert.equal([...tensors.keys()], [...whole.keys()]);
  for (const [name, values] of whole) assert.equal(tensors.get(name)?.values, values, name);
});

engine('error: taps that choose nothing', async () => {
  await expectRefusal(() => alibiModel.trace([1], { taps: ['layers.*.attention'] }), {
    code: 'option-value',
    where: 'taps',
    message: 'layers.*.attention',
  });
});

engine.run();
