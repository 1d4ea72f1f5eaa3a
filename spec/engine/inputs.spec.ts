/** What callers may pass as ids, masks and taps. */

import { suite } from 'uvu';
import { load } from '../../src/engine/load.ts';
import { GOLDENS } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';

const engine = suite('inputs');
const [alibi] = GOLDENS;
const alibiModel = await load(new URL(`../../fixtures/goldens/${alibi.name}/`, import.meta.url));
engine('error: an empty prompt, an empty row, a trace of nothing', async () => {
  const expected = { code: 'prompt-empty', where: 'input_ids' } as const;
  await expectRefusal(() => alibiModel.forward([]), expected);
  await expectRefusal(() => alibiModel.trace([]), expected);
  await expectRefusal(() => alibiModel.forwardBatch([[1], []]), {
    ...expected,
    where: 'input_ids[1]',
  });
});

engine('error: masks that are no padding', async () => {
  const masks: [number[][], string, string][] = [
    [[[1, 1]], 'attention_mask', '1 rows for 2 prompts'],
    [[[1, 1, 1], [1]], 'attention_mask[1]', '1 values for 3 ids'],
    [
      [
        [1, 1, 1],
        [1, 2, 1],
      ],
      'attention_mask[1]',
      'other than 0 and 1',
    ],
    [
      [
        [0, 0, 0],
        [1, 1, 1],
      ],
      'attention_mask[0]',
      'masks every token',
    ],
    [
      [
        [1, 0, 1],
        [1, 1, 1],
      ],
      'attention_mask[0]',
      'a hole',
    ],
  ];
  for (const [attentionMask, where, message] of masks) {
    const rows = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    await expectRefusal(() => alibiModel.forwardBatch(rows, { attentionMask }), {
      code: 'attention-mask',
      where,
      message,
      fix: 'padding at the ends of a row only',
    });
  }
});

engine('error: arguments that are no list of ids or patterns', async () => {
  const none = JSON.parse('null');
  const text = JSON.parse('"x"');
  const expected = { code: 'token-id', fix: 'Pass an array of integers' } as const;
  const view = new DataView(new ArrayBuffer(8)) as unknown as number[];
  for (const ids of [none, view, { length: 1, 0: 1 } as unknown as number[]]) {
    await expectRefusal(() => alibiModel.forward(ids), { ...expected, where: 'input_ids' });
  }
  await expectRefusal(() => alibiModel.openSequence().append(none), { ...expected, where: 'ids' });
  await expectRefusal(() => alibiModel.trace([1], { taps: text }), {
    code: 'option-value',
    where: 'taps',
  });
  await expectRefusal(() => load(JSON.parse('5')), { code: 'option-value', where: 'source' });
});

engine.run();
