/** What a trace is planned to hold, against what is recorded. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONFIG_PRESETS } from '../../src/config.ts';
import { load } from '../../src/engine/load.ts';
import { planTrace, tokensOfPass } from '../../src/engine/trace-plan.ts';
import { tapFilter } from '../../src/verify/trace.ts';
import { goldenPath } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';

const plan = suite('trace plan');

for (const { name, config } of GOLDENS) {
  plan(`law: names, order and shapes are those that are recorded (${name})`, async () => {
    await using model = await load(goldenPath(name));
    for (const ids of [[5], [5, 7, 9, 11, 13, 2, 4]]) {
      const { tensors } = await model.trace(ids);
      const planned = planTrace(config, ids.length).map((tensor) => {
        return [tensor.name, tensor.shape.join()];
      });
      const recorded = [...tensors.values()].map((tensor) => [tensor.name, tensor.shape.join()]);
      assert.equal(planned, [['input_ids', String(ids.length)], ...recorded]);
    }
  });
}

plan('law: what a pass records fits in 256 MiB, or it is of one token', () => {
  const MIB = 2 ** 20;
  for (const config of Object.values(CONFIG_PRESETS)) {
    for (const T of [1, 64, 1000, 4096]) {
      for (const taps of [[], ['*.probs'], ['logits'], ['layers.*.output']]) {
        const filter = tapFilter(taps);
        const tensors = planTrace(config, T);
        const tokens = tokensOfPass(tensors, T, filter);
        const bytes = tensors
          .filter(({ name }) => filter(name))
          .reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
        const ofToken = bytes / T;
        assert.ok(tokens === 1 || tokens * ofToken <= 256 * MIB);
        assert.ok((tokens + 1) * ofToken > 256 * MIB, 'as many as fit');
      }
    }
  }
});

plan.run();
