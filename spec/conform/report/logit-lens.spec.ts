/** The logit lens against the equation in float64, and at the last layer against PyTorch. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { collectLayerSteps } from '../../../src/conform/report/layer-steps.ts';
import { collectLens } from '../../../src/conform/report/logit-lens.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { goldenToCompare } from '../../support/oracle.ts';
import { expectRefusal } from '../../support/refusal.ts';
import type { OracleTensor } from '../../support/safetensors-oracle.ts';
import { goldenTensors, memoryTrace, type NamedTensor } from '../../support/traces.ts';

const lens = suite('logit lens');

function softmax(scores: number[]): number[] {
  const max = Math.max(...scores);
  const powers = scores.map((x) => Math.exp(x - max));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}

for (const golden of GOLDENS.slice(0, 2)) {
  const { hiddenSize: C, numHiddenLayers: L, vocabSize: V, rmsNormEps } = golden.config;
  const tensors = goldenTensors(golden);
  const of = (name: string) => tensors.get(name) as NamedTensor;
  const weight = (name: string) => (golden.weights.get(name) as OracleTensor).values;
  const trace = await memoryTrace(tensors);
  const model = await goldenToCompare(golden);
  const T = of('logits').shape[0];

  lens(`golden: the last layer says what PyTorch says (${golden.name})`, async () => {
    const found = await collectLens(model, trace);
    assert.equal(found?.positions, [...Array(T).keys()]);
    assert.is(found?.layers.at(-1), `layer ${L - 1}`);
    found?.ranked.at(-1)?.forEach((tokens, t) => {
      const p = softmax([...of('logits').values.subarray(t * V, (t + 1) * V)]);
      assert.is(tokens.length, 5);
      const order = [...p.keys()].sort((a, b) => p[b] - p[a]);
      tokens.forEach(({ id, probability }, rank) => {
        assert.ok(Math.abs(probability - p[order[rank]]) < 1e-5);
        assert.ok(Math.abs(p[id] - p[order[rank]]) < 1e-5);
      });
    });
  });

  lens(`law: every layer is softmax(head · norm(x)) (${golden.name})`, async () => {
    const found = await collectLens(model, trace);
    const names = ['model.embed_tokens', ...[...Array(L).keys()].map((l) => `model.layers.${l}`)];
    const [norm, head] = [weight('model.norm.weight'), weight('lm_head.weight')];
    names.forEach((name, layer) => {
      const x = Array.from(of(`${name}.output`).values.subarray((T - 1) * C, T * C));
      const mean = x.reduce((sum, value) => sum + value * value, 0) / C;
      const y = x.map((value, i) => (value / Math.sqrt(mean + rmsNormEps)) * norm[i]);
      const scores = Array.from({ length: V }, (_, id) =>
        y.reduce((sum, value, i) => sum + value * head[id * C + i], 0),
      );
      const p = softmax(scores);
      for (const { id, probability } of found?.ranked[layer][T - 1] ?? []) {
        assert.ok(Math.abs(probability - p[id]) < 1e-6, `${name} ${id}`);
      }
      assert.is(found?.ranked[layer][T - 1][0].id, p.indexOf(Math.max(...p)));
    });
  });

  lens(`law: sizes are root mean squares, averaged over the tokens (${golden.name})`, async () => {
    const steps = await collectLayerSteps(trace);
    assert.is(steps.length, L);
    const mean = (name: string) => {
      const values = Array.from(of(name).values);
      const sizes = Array.from({ length: T }, (_, t) =>
        Math.sqrt(values.slice(t * C, (t + 1) * C).reduce((sum, x) => sum + x * x, 0) / C),
      );
      return sizes.reduce((a, b) => a + b, 0) / T;
    };
    for (const { layer, entering, attention, mlp, leaving, cosine } of steps) {
      const path = `model.layers.${layer}`;
      const before = layer === 0 ? 'model.embed_tokens' : `model.layers.${layer - 1}`;
      for (const [value, name] of [
        [entering, `${before}.output`],
        [attention, `${path}.self_attn.output`],
        [mlp, `${path}.mlp.output`],
        [leaving, `${path}.output`],
      ] as const) {
        assert.ok(Math.abs((value ?? 0) / mean(name) - 1) < 1e-6, name);
      }
      assert.ok(cosine !== undefined && cosine > -1 && cosine < 1);
    }
  });
}

lens('law: a trace without layers has no lens, one with some has these', async () => {
  const [golden] = GOLDENS;
  const model = await goldenToCompare(golden);
  const tensors = goldenTensors(golden);
  const only = async (...names: string[]) =>
    collectLens(model, await memoryTrace(new Map([...tensors].filter(([n]) => names.includes(n)))));
  assert.is(await only('logits'), undefined);
  assert.equal((await only('logits', 'model.layers.1.output'))?.layers, ['layer 1']);
});

lens('error: an interrupted lens, and a checkpoint without its head', async () => {
  const [golden] = GOLDENS;
  const trace = await memoryTrace(goldenTensors(golden));
  const model = await goldenToCompare(golden);
  await expectRefusal(() => collectLens(model, trace, AbortSignal.abort()), {
    code: 'aborted',
    where: 'report',
    message: 'interrupted the work',
  });
  const tensors = new Map([...model.checkpoint.tensors].filter(([name]) => !/head/.test(name)));
  const checkpoint = { ...model.checkpoint, tensors };
  await expectRefusal(() => collectLens({ ...model, checkpoint }, trace), {
    code: 'model-missing',
    where: 'lm_head.weight',
    message: 'lacks',
  });
});

lens.run();
