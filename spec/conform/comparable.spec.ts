/** Traces that cannot be compared: another model, prompt, vocabulary or shape. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareTraces } from '../../src/conform/compare-traces.ts';
import { ARITHMETIC_CLASSES } from '../../src/verify/bars.ts';
import { GOLDENS } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';
import {
  goldenMetadata,
  goldenTensors,
  memoryTrace,
  type NamedTensor,
  type NamedTensors,
} from '../support/traces.ts';

const compare = suite('comparable');
const [golden, rope] = GOLDENS;
const tensors = goldenTensors(golden);
const expected = await memoryTrace(tensors, goldenMetadata(golden));
const C = golden.config.hiddenSize;

/** The trace with one tensor changed. */
function altered(name: string, change: (x: NamedTensor) => Partial<NamedTensor>): NamedTensors {
  const tensor = tensors.get(name) as NamedTensor;
  return new Map([...tensors, [name, { ...tensor, ...change(tensor) }]]);
}

const bad: [string, NamedTensors, Record<string, string>, object][] = [
  [
    'another prompt',
    altered('input_ids', ({ values }) => ({ values: Float64Array.from(values, (id) => id + 1) })),
    {},
    { code: 'trace-prompt', where: 'position 0' },
  ],
  [
    'the same prompt twice',
    new Map(
      [...tensors].map(([name, { shape, values, dtype }]) => {
        const twice = [...values, ...values];
        const typed = dtype === 'I64' ? Float64Array.from(twice) : Float32Array.from(twice);
        return [name, { shape: [2, ...shape], values: typed, dtype }];
      }),
    ),
    {},
    { code: 'trace-prompt', message: 'number of prompts', expected: 1, found: 2 },
  ],
  [
    'another model by its configuration',
    tensors,
    goldenMetadata(rope),
    { code: 'trace-model', message: 'architecture' },
  ],
  ['other weights', tensors, { fingerprint: 'b' }, { code: 'trace-model', message: 'fingerprint' }],
  [
    'another hidden size',
    altered('model.embed_tokens.output', ({ shape: [T] }) => ({
      shape: [T, 3],
      values: new Float32Array(T * 3),
    })),
    {},
    { code: 'trace-model', message: 'hidden size' },
  ],
  [
    'another vocabulary',
    new Map(
      [...tensors].map(([name, tensor]) => {
        const [T] = tensor.shape;
        const isLast = name === 'logits' || name === 'lm_head.output';
        const small = { shape: [T, 7], values: new Float32Array(T * 7) };
        return [name, isLast ? small : tensor];
      }),
    ),
    {},
    { code: 'trace-vocabulary', expected: 96, found: 7 },
  ],
  [
    'one tensor of another shape',
    altered('model.layers.2.output', ({ shape: [T, C] }) => ({
      shape: [T + 1, C],
      values: new Float32Array((T + 1) * C),
    })),
    {},
    { code: 'trace-shape', where: 'model.layers.2.output' },
  ],
  [
    'no tensor in common',
    new Map([['model.layers.77.output', { shape: [17, C], values: new Float32Array(17 * C) }]]),
    {},
    { code: 'trace-empty' },
  ],
];

for (const [title, found, metadata, refusal] of bad) {
  compare(`error: ${title} is refused`, async () => {
    const told = await memoryTrace(tensors, { ...goldenMetadata(golden), fingerprint: 'a' });
    const other = await memoryTrace(found, metadata, 'found.safetensors');
    const expectation = { file: 'found.safetensors', ...refusal };
    await expectRefusal(
      () => compareTraces(told, other),
      expectation as Parameters<typeof expectRefusal>[1],
    );
  });
}

compare('error: a token in front of the prompt is named', async () => {
  const { values } = tensors.get('input_ids') as NamedTensor;
  const ids = { shape: [18], values: Float64Array.of(1, ...values), dtype: 'I64' as const };
  const found = await memoryTrace(new Map([...tensors, ['input_ids', ids]]));
  await expectRefusal(() => compareTraces(expected, found), {
    code: 'trace-prompt',
    message: 'FOUND has 1 in front',
  });
});

compare('error: an unknown class is refused where it was given', async () => {
  await expectRefusal(() => compareTraces(expected, expected, { class: 'f8' }), {
    code: 'trace-class',
    where: '--class',
  });
  const told = await memoryTrace(tensors, { class: 'float' }, 'expected.safetensors');
  await expectRefusal(() => compareTraces(told, expected), {
    code: 'trace-class',
    file: 'expected.safetensors',
  });
});

compare(
  'law: logits with their axes exchanged are a finding, alone in their traces too',
  async () => {
    const { shape, values } = tensors.get('logits') as NamedTensor;
    const [T, V] = shape;
    const turned = Float32Array.from(values, (_, i) => values[(i % T) * V + Math.floor(i / T)]);
    const found = await memoryTrace(new Map([['logits', { shape: [V, T], values: turned }]]));
    const alone = await memoryTrace(new Map([['logits', { shape, values }]]));
    for (const trace of [expected, alone]) {
      const { pass, tensors: verdicts } = await compareTraces(trace, found);
      assert.is(pass, false);
      assert.is(verdicts.find(({ name }) => name === 'logits')?.status, 'axes');
    }
  },
);

/** Everything half as much again: all of it is beyond its bar. */
const wider: NamedTensors = new Map(
  [...tensors].map(([name, { values, ...tensor }]) => {
    const changed = tensor.dtype === 'I64' ? values : values.map((x) => x * 1.5);
    return [name, { ...tensor, values: changed }];
  }),
);

compare(
  'law: the bar of logits is the same with all tensors and with none beside them',
  async () => {
    const barIn = async (named: NamedTensors) => {
      const trace = await memoryTrace(named, goldenMetadata(golden));
      const { tensors: verdicts } = await compareTraces(trace, await memoryTrace(wider));
      return verdicts.find(({ name }) => name === 'logits')?.bar;
    };
    const logits = tensors.get('logits') as NamedTensor;
    assert.is(await barIn(new Map([['logits', logits]])), await barIn(tensors));
  },
);

for (const [title, change] of [
  ['zeros', () => 0],
  ['opposites', (x: number) => -x],
  ['twice the numbers', (x: number) => 2 * x],
  [
    'the numbers in another order',
    (_: number, i: number, all: NamedTensor['values']) => all[(i + 1) % all.length],
  ],
] as const) {
  compare(`law: ${title} are beyond every class in every tensor`, async () => {
    for (const [name, { shape, values, dtype }] of tensors) {
      if (dtype === 'I64' || name.endsWith('scores')) continue;
      const other = Float32Array.from(values, (x, i) => change(x, i, values));
      const found = await memoryTrace(new Map([...tensors, [name, { shape, values: other }]]));
      for (const arithmetic of ARITHMETIC_CLASSES) {
        const { first, pass } = await compareTraces(expected, found, { class: arithmetic });
        assert.equal([pass, first?.name], [false, name], `${arithmetic} ${name}`);
        assert.is.not(first?.position, null);
      }
    }
  });
}

compare.run();
