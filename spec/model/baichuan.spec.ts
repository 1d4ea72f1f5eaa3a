/** The whole model against recorded activations, and the laws that its bits obey. One table of
 *  kernel sets and golden models; the goldens' own bars. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { float32 } from '../../src/tensor/tensor.ts';
import { difference } from '../../src/verify/compare.ts';
import { GOLDENS, type Golden, idsOf, KERNEL_SETS, runner } from '../support/goldens.ts';
import type { OracleTensor } from '../support/safetensors-oracle.ts';

const model = suite('model');

/** Entry `row` of a tensor with a batch axis. */
function rowOf({ shape: [rows, ...shape], values }: OracleTensor, row: number) {
  const length = values.length / rows;
  return { shape, values: values.subarray(row * length, (row + 1) * length) };
}

/** The reference kernels are the accuracy reference; float32 sums in one order come within 2e-5. */
function barOf(golden: Golden, precision: 'float32' | 'float64', kernelSet: string): number {
  return kernelSet === 'reference' ? golden.bars[precision] : 2e-5;
}

/** Worst distance per tensor name over both recorded prompts, and the names that never came. */
async function distances(golden: Golden, expected: Golden['float32'], kernelSet: string) {
  const { kvCache, run } = await runner(golden, kernelSet);
  const worst = new Map<string, number>();
  for (const row of [0, 1]) {
    const ids = idsOf(golden.float32.get('input_ids'), row);
    run([{ sequence: kvCache.open(), ids }], (name, tensor) => {
      const recorded = expected.get(name);
      if (recorded === undefined) return;
      const found = { shape: tensor.shape, values: float32(tensor) };
      const { relative } = difference(rowOf(recorded, row), found);
      worst.set(name, Math.max(worst.get(name) ?? 0, relative));
    });
  }
  const missing = [...expected.keys()].filter((name) => name !== 'input_ids' && !worst.has(name));
  return { worst, missing };
}

for (const kernelSet of Object.keys(KERNEL_SETS)) {
  for (const golden of GOLDENS) {
    const title = `${golden.name}, ${kernelSet} kernels`;
    const recordedIds = idsOf(golden.float32.get('input_ids'));
    const { run, kvCache } = await runner(golden, kernelSet);
    const logitsAlone = (ids: readonly number[]) =>
      run([{ sequence: kvCache.open(), ids: [...ids] }]);
    const whole = logitsAlone(recordedIds);
    const V = golden.config.vocabSize;

    for (const precision of ['float32', 'float64'] as const) {
      model(`golden: every ${precision} activation lies within its bar (${title})`, async () => {
        const bar = barOf(golden, precision, kernelSet);
        const { worst, missing } = await distances(golden, golden[precision], kernelSet);
        assert.equal(missing, [], 'recorded tensors that no tap gave');
        assert.ok(worst.size >= 4);
        const beyond = [...worst].filter(([, relative]) => !(relative <= bar));
        assert.equal(beyond, [], `beyond ${bar}`);
      });
    }

    for (const penalty of ['1.0', '1.1', '1.5']) {
      model(`golden: logits of every decoding step, penalty ${penalty} (${title})`, () => {
        const tokens = idsOf(golden.generation.get(`penalty_${penalty}.tokens`));
        const recorded = golden.generation.get(`penalty_${penalty}.logits`) as OracleTensor;
        const prompt = idsOf(golden.generation.get('prompt'));
        const sequence = kvCache.open();
        const steps = recorded.shape[0];
        const found = new Float32Array(steps * V);
        found.set(run([{ sequence, ids: prompt }]).subarray(-V));
        for (let step = 1; step < steps; step++) {
          found.set(run([{ sequence, ids: [tokens[prompt.length + step - 1]] }]), step * V);
        }
        const { relative } = difference(recorded, { shape: [steps, V], values: found });
        assert.ok(relative <= barOf(golden, 'float32', kernelSet), `${relative}`);
      });
    }

    model(`golden: left padding gives the published logits of the tokens (${title})`, () => {
      for (const row of [0, 1]) {
        const ids = idsOf(golden.leftPadding.get('input_ids'), row);
        const mask = idsOf(golden.leftPadding.get('attention_mask'), row);
        const first = mask.indexOf(1);
        const logits = rowOf(golden.leftPadding.get('logits') as OracleTensor, row);
        const shape = [ids.length - first, V];
        const values = logitsAlone(ids.slice(first));
        const expected = { shape, values: logits.values.subarray(first * V) };
        const { relative } = difference(expected, { shape, values });
        assert.ok(relative <= 1e-5, `row ${row}: ${relative}`);
      }
    });

    model(`law: a prefix has the logits of the whole prompt, bit for bit (${title})`, () => {
      for (let length = 1; length < recordedIds.length; length++) {
        const prefix = logitsAlone(recordedIds.slice(0, length));
        assert.equal(prefix, whole.subarray(0, length * V), `length ${length}`);
      }
    });

    model(`law: any chunking gives the same bits (${title})`, () => {
      const chunks = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 33 });
      fc.assert(
        fc.property(chunks, (sizes) => {
          const sequence = kvCache.open();
          const found: number[] = [];
          for (let start = 0, i = 0; start < recordedIds.length; i++) {
            const ids = recordedIds.slice(start, start + sizes[i % sizes.length]);
            found.push(...run([{ sequence, ids }]));
            start += ids.length;
          }
          kvCache.close(sequence);
          assert.equal(Float32Array.from(found), whole);
        }),
        { seed: 1, numRuns: 15, examples: [[[1]], [[2]], [[16, 1]]] },
      );
    });

    model(`law: whatever else is in the batch, a row has the bits it has alone (${title})`, () => {
      const row = fc.array(fc.integer({ min: 0, max: V - 1 }), { minLength: 1, maxLength: 9 });
      fc.assert(
        fc.property(fc.array(row, { minLength: 1, maxLength: 4 }), fc.nat(3), (others, place) => {
          const rows = [...others];
          rows.splice(place % (others.length + 1), 0, recordedIds);
          const index = rows.indexOf(recordedIds);
          const start = rows.slice(0, index).flat().length * V;
          const logits = run(rows.map((ids) => ({ sequence: kvCache.open(), ids })));
          assert.equal(logits.subarray(start, start + whole.length), whole);
        }),
        { seed: 1, numRuns: 12 },
      );
    });

    model(`law: a token changes no logits before it, and all after it (${title})`, () => {
      const place = Math.floor(recordedIds.length / 2);
      const changed = recordedIds.with(place, (recordedIds[place] + 1) % V);
      const found = logitsAlone(changed);
      assert.equal(found.subarray(0, place * V), whole.subarray(0, place * V));
      for (let t = place; t < recordedIds.length; t++) {
        assert.not.equal(found.subarray(t * V, (t + 1) * V), whole.subarray(t * V, (t + 1) * V));
      }
    });
  }
}

model.run();
