/** A loaded model as callers hold it: batches, sequences, traces, turns of the event loop. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/engine/load.ts';
import { GOLDENS, idsOf } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';
import type { OracleTensor } from '../support/safetensors-oracle.ts';

const engine = suite('language-model');
const FIXTURES = new URL('../../fixtures/goldens/', import.meta.url);

const models = await Promise.all(
  GOLDENS.map(async (golden) => ({
    golden,
    model: await load(new URL(`${golden.name}/`, FIXTURES)),
  })),
);
const [{ golden: alibi, model: alibiModel }] = models;
const random = (length: number, vocabSize: number) =>
  Array.from({ length }, (_, i) => (i * 7919 + 13) % vocabSize);

for (const { golden, model } of models) {
  const { vocabSize: V } = golden.config;
  const idLists = fc.array(
    fc.array(fc.integer({ min: 0, max: V - 1 }), { minLength: 1, maxLength: 20 }),
    { minLength: 1, maxLength: 4 },
  );

  engine(
    `golden: left-padded batches have the published logits of their tokens (${golden.name})`,
    async () => {
      const rows = [0, 1].map((row) => idsOf(golden.leftPadding.get('input_ids'), row));
      const attentionMask = [0, 1].map((row) =>
        idsOf(golden.leftPadding.get('attention_mask'), row),
      );
      const { values } = golden.leftPadding.get('logits') as OracleTensor;
      const batch = await model.forwardBatch(rows, { attentionMask });
      const largest = Math.max(...Array.from(values, Math.abs));
      batch.forEach(({ data, shape: [tokens] }, row) => {
        const first = (row + 1) * rows[row].length - tokens;
        data.forEach((value, i) => {
          assert.ok(Math.abs(value - values[first * V + i]) <= 1e-5 * largest);
        });
      });
    },
  );

  engine(
    `law: batch, padding on either side and order change no bit (${golden.name})`,
    async () => {
      await fc.assert(
        fc.asyncProperty(idLists, fc.nat(5), fc.nat(5), async (rows, left, right) => {
          const pad = (count: number) => Array.from({ length: count }, () => 0);
          const ones = (ids: number[]) => ids.map(() => 1);
          const padded = rows.map((ids) => [...pad(left), ...ids, ...pad(right)]);
          const attentionMask = rows.map((ids) => [...pad(left), ...ones(ids), ...pad(right)]);
          const batch = await model.forwardBatch(padded, { attentionMask });
          const reversed = await model.forwardBatch(rows.toReversed());
          for (const [row, ids] of rows.entries()) {
            const alone = await model.forward(ids);
            assert.equal(batch[row], alone);
            assert.equal(reversed[rows.length - 1 - row], alone);
          }
        }),
        { seed: 1, numRuns: 8 },
      );
    },
  );

  engine(
    `law: a sequence gives the last row of forward, however it grew (${golden.name})`,
    async () => {
      const ids = random(40, V);
      const { data } = await model.forward(ids);
      const sequence = model.openSequence();
      let logits = new Float32Array(0);
      for (const size of [1, 30, 2, 7]) {
        logits = (await sequence.append(
          ids.slice(sequence.length, sequence.length + size),
        )) as typeof logits;
        assert.equal(logits, data.slice((sequence.length - 1) * V, sequence.length * V));
      }
      sequence.close();
    },
  );

  engine(
    `law: forks and rollbacks continue as if nothing else had happened (${golden.name})`,
    async () => {
      const ids = random(80, V);
      const { data } = await model.forward(ids);
      const row = (t: number) => data.slice(t * V, (t + 1) * V);
      const first = model.openSequence();
      await first.append(ids.slice(0, 70));
      const second = first.fork(66);
      await first.append([3, 1, 4]);
      assert.equal(await second.append(ids.slice(66, 80)), row(79));
      first.rollback(10);
      assert.equal(await first.append(ids.slice(10, 75)), row(74));
      first.close();
      assert.equal(second.length, 80);
      second.close();
    },
  );

  engine(`law: a trace holds every recorded name, whole and by taps (${golden.name})`, async () => {
    const ids = idsOf(golden.float32.get('input_ids'));
    const { tensors, inputIds } = await model.trace(ids);
    assert.equal(inputIds, ids);
    for (const [name, { shape }] of golden.float32) {
      if (name !== 'input_ids') assert.equal(tensors.get(name)?.shape, shape.slice(1), name);
    }
    const { tensors: probs } = await model.trace(ids, { taps: ['layers.*.self_attn.probs'] });
    assert.is(probs.size, golden.config.numHiddenLayers);
    for (const [name, { values }] of probs) assert.equal(values, tensors.get(name)?.values);
    const { data } = await model.forward(ids);
    assert.equal(tensors.get('logits')?.values, data);
  });

  engine(`error: ids that are none are refused with their place (${golden.name})`, async () => {
    for (const id of [-1, V, 1.5, Number.NaN, 2 ** 53]) {
      const expected = {
        code: 'token-id',
        where: 'input_ids[1]',
        fix: `integers from 0 to ${V - 1}`,
      } as const;
      await expectRefusal(() => model.forward([0, id]), expected);
      await expectRefusal(() => model.trace([0, id]), expected);
      const sequence = model.openSequence();
      await expectRefusal(() => sequence.append([0, id]), { code: 'token-id', where: 'ids[1]' });
      assert.is(sequence.length, 0);
      sequence.close();
    }
    await expectRefusal(() => model.forwardBatch([[1], [2, V]]), {
      code: 'token-id',
      where: 'input_ids[1][1]',
    });
  });
}

engine('law: passes asked for at the same time do not disturb each other', async () => {
  const prompts = [random(50, 96), random(31, 96), random(64, 96)];
  const together = await Promise.all(prompts.map((ids) => alibiModel.forward(ids)));
  for (const [index, ids] of prompts.entries()) {
    assert.equal(together[index], await alibiModel.forward(ids));
  }
});

engine('law: appends to one sequence wait for each other', async () => {
  const [first, second] = [random(30, 96), random(50, 96).reverse()];
  const sequence = alibiModel.openSequence();
  const [, last] = await Promise.all([sequence.append(first), sequence.append(second)]);
  const alone = alibiModel.openSequence();
  assert.equal(last, await alone.append([...first, ...second]));
  assert.is(sequence.length, 80);
});

engine('law: a batch of more rows than a chunk has tokens gives the bits of its rows', async () => {
  const rows = Array.from({ length: 90 }, (_, row) => [row % 96, (row * 7) % 96]);
  const batch = await alibiModel.forwardBatch(rows);
  for (const row of [0, 40, 89]) assert.equal(batch[row], await alibiModel.forward(rows[row]));
});

engine('error: a fork or a rollback while tokens are appended', async () => {
  const sequence = alibiModel.openSequence();
  const work = sequence.append(random(40, 96));
  const expected = { code: 'sequence-busy', where: 'sequence', fix: 'Wait for append' } as const;
  await expectRefusal(() => sequence.fork(), expected);
  await expectRefusal(() => sequence.rollback(0), expected);
  await work;
  sequence.rollback(3);
  assert.is(sequence.length, 3);
});

engine('law: a closed model holds its weights and cache no longer', async () => {
  const model = await load(new URL(`${alibi.name}/`, FIXTURES));
  const sequence = model.openSequence();
  await model.close();
  sequence.close();
  await expectRefusal(() => sequence.length, { code: 'model-closed', where: 'model' });
});

engine('law: the event loop takes a turn at least every 50 ms of a long prompt', async () => {
  const longestGap = async () => {
    let [last, longest] = [performance.now(), 0];
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }, 1);
    await alibiModel.forward(random(600, 96));
    clearInterval(timer);
    return longest;
  };
  // Neighbours on the machine may hold up some rounds, but not every one.
  let gap = await longestGap();
  for (let round = 0; round < 20 && gap > 50; round++) gap = Math.min(gap, await longestGap());
  assert.ok(gap <= 50, `${gap} ms`);
});

engine('law: an abort in a prompt rejects soon and leaves the sequence as it was', async () => {
  const sequence = alibiModel.openSequence();
  await sequence.append([1, 2, 3]);
  const controller = new AbortController();
  const started = performance.now();
  const work = sequence.append(random(3000, 96), { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 20);
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  assert.is(error?.code, 'aborted');
  assert.is(error.cause.message, 'enough');
  assert.ok(performance.now() - started < 2000);
  assert.is(sequence.length, 3);
  const fresh = alibiModel.openSequence();
  assert.equal(await sequence.append([4]), await fresh.append([1, 2, 3, 4]));
});

engine('error: a context length is kept, in prompts and in sequences', async () => {
  await using model = await load(new URL(`${alibi.name}/`, FIXTURES), { contextLength: 10 });
  assert.is((await model.forward(random(10, 96))).shape[0], 10);
  await expectRefusal(() => model.forward(random(11, 96)), {
    code: 'context-length',
    message: ['11 tokens', '10 positions'],
    fix: '--context-length',
  });
  const sequence = model.openSequence();
  await sequence.append(random(8, 96));
  await expectRefusal(() => sequence.append([1, 2, 3]), {
    code: 'context-length',
    message: '2 positions',
  });
  assert.is(sequence.length, 8);
});

engine('error: a closed model', async () => {
  const model = await load(new URL(`${alibi.name}/`, FIXTURES));
  const sequence = model.openSequence();
  await model.close();
  await expectRefusal(() => model.forward([1]), { code: 'model-closed', fix: 'Load it again' });
  await expectRefusal(() => sequence.append([1]), { code: 'model-closed' });
});

engine.run();
