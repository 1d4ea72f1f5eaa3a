/** Comparing two traces: what passes, what fails, and where the first difference is. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareBackends } from '../../src/conform/compare-backends.ts';
import { compareTraces } from '../../src/conform/compare-traces.ts';
import { openTrace } from '../../src/conform/trace-source.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { GOLDENS } from '../support/goldens.ts';
import { goldenModel, recordModel } from '../support/oracle.ts';
import {
  countingSource,
  goldenMetadata,
  goldenTensors,
  memoryTrace,
  type NamedTensor,
  type NamedTensors,
  traceBytes,
} from '../support/traces.ts';

const compare = suite('compare traces');
const [golden, rope] = GOLDENS;
const tensors = goldenTensors(golden);
const expected = await memoryTrace(tensors, goldenMetadata(golden));
const { NaN: NAN, POSITIVE_INFINITY: INFINITY } = Number;
function altered(name: string, change: (x: NamedTensor) => Partial<NamedTensor>): NamedTensors {
  const tensor = tensors.get(name) as NamedTensor;
  return new Map([...tensors, [name, { ...tensor, ...change(tensor) }]]);
}

function withElement(name: string, index: number, value: (x: number) => number): NamedTensors {
  return altered(name, ({ values }) => {
    const copy = Float32Array.from(values);
    copy[index] = value(copy[index]);
    return { values: copy };
  });
}

async function firstOf(found: NamedTensors) {
  const { pass, first } = await compareTraces(expected, await memoryTrace(found));
  assert.is(pass, false);
  return first;
}

compare('law: a trace equals itself, with or without a batch axis, in float64 too', async () => {
  const batched: NamedTensors = new Map(
    [...tensors].map(([name, tensor]) => [name, { ...tensor, shape: [1, ...tensor.shape] }]),
  );
  const wide: NamedTensors = new Map(
    [...tensors].map(([name, { shape, values, dtype }]) => {
      const type = dtype === 'I64' ? dtype : 'F64';
      return [name, { shape, values: Float64Array.from(values), dtype: type }];
    }),
  );
  for (const found of [tensors, batched, wide]) {
    const {
      pass,
      first,
      tensors: verdicts,
    } = await compareTraces(expected, await memoryTrace(found));
    assert.equal([pass, first], [true, null]);
    assert.is(verdicts.length, tensors.size);
    assert.ok(verdicts.every(({ statistics }) => statistics?.maxAbs === 0));
  }
});

compare('golden: the reference and PyTorch agree in both directions', async () => {
  for (const one of [golden, rope]) {
    const torch = goldenTensors(one);
    const ids = [...(torch.get('input_ids')?.values ?? [])];
    const ours = await memoryTrace(await recordModel(await goldenModel(one), ids));
    const theirs = await memoryTrace(torch, goldenMetadata(one));
    assert.ok((await compareTraces(theirs, ours)).pass);
    assert.ok((await compareTraces(ours, theirs)).pass);
  }
});

const NAME = 'model.layers.1.mlp.output';
const C = golden.config.hiddenSize;

compare('law: the first element beyond is named by position and channel', async () => {
  const found = withElement(NAME, 3 * C + 7, (x) => x + 1);
  const value = tensors.get(NAME)?.values[3 * C + 7] ?? 0;
  assert.equal(await firstOf(found), {
    ...{ name: NAME, position: 3, head: null, channel: 7 },
    ...{ expected: value, found: Math.fround(value + 1) },
  });
});

compare(
  'law: in attention maps the head is named, and the lowest position comes first',
  async () => {
    const name = 'model.layers.0.self_attn.probs';
    const T = tensors.get(name)?.shape[1] ?? 0;
    const both = altered(name, ({ values }) => {
      const copy = Float32Array.from(values);
      copy[(1 * T + 9) * T + 2] += 0.5; // head 1, query 9
      copy[(4 * T + 6) * T + 3] += 0.5; // head 4, query 6
      return { values: copy };
    });
    const first = await firstOf(both);
    assert.equal([first?.position, first?.head, first?.channel], [6, 4, 3]);
  },
);

compare('law: in the packed projection the head is told from the channel', async () => {
  const name = 'model.layers.0.self_attn.W_pack.output';
  const channel = C + 2 * golden.config.headDim + 1; // a key of head 2
  const first = await firstOf(withElement(name, 5 * 3 * C + channel, (x) => x - 3));
  assert.equal([first?.position, first?.head, first?.channel], [5, 2, channel]);
});

compare('law: the earliest tensor in the order of execution comes first', async () => {
  const found = withElement('logits', 0, (x) => x + 50);
  const other = withElement(NAME, 1, (x) => x + 50).get(NAME) as NamedTensor;
  assert.is((await firstOf(new Map([...found, [NAME, other]])))?.name, NAME);
});

for (const [title, change] of [
  ['a changed sign', (x: number) => -x],
  ['NaN', () => NAN],
  ['an infinity', () => INFINITY],
  ['−∞ where nothing is masked', () => -INFINITY],
] as const) {
  compare(`law: ${title} fails`, async () => {
    const values = [...(tensors.get(NAME)?.values ?? [])];
    const index = values.indexOf(values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a)));
    assert.is((await firstOf(withElement(NAME, index, change)))?.name, NAME);
  });
}

compare('law: NaN in both traces fails', async () => {
  const broken = withElement(NAME, 4, () => NAN);
  const both = await memoryTrace(broken);
  assert.is((await compareTraces(both, both)).first?.name, NAME);
});

compare('law: negative numbers that differ fail', async () => {
  const values = [...(tensors.get(NAME)?.values ?? [])];
  const index = values.indexOf(values.reduce((a, b) => Math.min(a, b)));
  assert.ok(values[index] < 0);
  assert.is((await firstOf(withElement(NAME, index, (x) => 2 * x)))?.name, NAME);
});

compare(
  'law: a mask that hides one key more or less fails, another masked number does not',
  async () => {
    const name = 'model.layers.0.self_attn.scores';
    const T = tensors.get(name)?.shape[1] ?? 0;
    const hidden = withElement(name, 2 * T + 1, () => -3e38); // query 2 no longer sees key 1
    assert.equal((await firstOf(hidden))?.channel, 1);
    const seen = withElement(name, 2 * T + 3, () => 0.1); // query 2 sees key 3
    assert.equal((await firstOf(seen))?.channel, 3);
    const infinite = altered(name, ({ values }) => ({
      values: Float32Array.from(values, (x) => (x < -1e29 ? -INFINITY : x)),
    }));
    assert.ok((await compareTraces(expected, await memoryTrace(infinite))).pass);
  },
);

compare('law: swapped axes fail and are named', async () => {
  const name = 'model.layers.0.self_attn.probs';
  const { shape, values } = tensors.get(name) as NamedTensor;
  const [H, T] = shape;
  const swapped = Float32Array.from(values, (_, i) => {
    const [t, h, s] = [Math.floor(i / (H * T)), Math.floor(i / T) % H, i % T];
    return values[(h * T + t) * T + s];
  });
  const found = await memoryTrace(altered(name, () => ({ shape: [T, H, T], values: swapped })));
  const { pass, first, diagnosis } = await compareBackends(expected, found);
  assert.equal([pass, first?.name], [false, name]);
  assert.is(diagnosis[0].name, 'trace-axes-swapped');
});

compare('law: a missing tensor fails and is listed, an additional one is ignored', async () => {
  const found = new Map(tensors);
  found.delete(NAME);
  found.set('something.else', { shape: [2], values: Float32Array.of(1, 2) });
  const {
    pass,
    first,
    tensors: verdicts,
  } = await compareTraces(expected, await memoryTrace(found));
  assert.equal([pass, first?.name, first?.position], [false, NAME, null]);
  assert.equal(
    verdicts.filter(({ status }) => status !== 'within').map(({ name, status }) => [name, status]),
    [[NAME, 'missing']],
  );
  assert.ok((await compareTraces(await memoryTrace(found), expected)).pass);
});

compare('law: what no forward hook can see may be left out altogether, not in part', async () => {
  const [first, ...others] = [...tensors.keys()].filter((name) => name.endsWith('.scores'));
  const found = new Map(tensors);
  found.delete(first);
  assert.is((await compareTraces(expected, await memoryTrace(found))).first?.name, first);
  for (const name of others) found.delete(name);
  const { pass, tensors: verdicts } = await compareTraces(expected, await memoryTrace(found));
  assert.ok(pass);
  assert.is(verdicts.filter(({ status }) => status === 'not-recorded').length, 1 + others.length);
});

compare('law: other spellings of a name are found', async () => {
  const renamed: NamedTensors = new Map(
    [...tensors]
      .filter(([name]) => name !== 'logits')
      .map(([name, tensor]) => [`module.${name.replace(/\.output$/, '')}`, tensor]),
  );
  assert.ok((await compareTraces(expected, await memoryTrace(renamed))).pass);
});

compare('law: an operation whose inputs agree is held to its own rounding', async () => {
  const name = 'model.layers.0.input_layernorm.output';
  const scaled = altered(name, ({ values }) => ({
    values: Float32Array.from(values, (x) => x * (1 - 4.5e-6)),
  }));
  assert.is((await firstOf(scaled))?.name, name);
  // The same change further on, behind rounding of another order, is none.
  const later = 'model.layers.2.input_layernorm.output';
  const { values, shape } = tensors.get(later) as NamedTensor;
  const carried = new Map([
    ...withElement('model.layers.1.output', 0, (x) => x * (1 + 2 ** -23)),
    [later, { shape, values: Float32Array.from(values, (x) => x * (1 - 2e-6)) }] as const,
  ]);
  const { tensors: verdicts } = await compareTraces(expected, await memoryTrace(carried));
  assert.is(verdicts.find((verdict) => verdict.name === later)?.status, 'within');
});

compare('law: a coarser class lets more pass, by option or by the expected trace', async () => {
  const name = 'model.layers.1.mlp.gate_proj.output';
  const coarse = altered(name, ({ values }) => ({
    values: Float32Array.from(values, (x) => x * 1.01),
  }));
  const found = await memoryTrace(coarse);
  for (const [arithmetic, pass] of [
    ['f32', false],
    ['f16', false],
    ['bf16', true],
    ['int4', true],
  ] as const) {
    assert.is((await compareTraces(expected, found, { class: arithmetic })).pass, pass, arithmetic);
    const told = await memoryTrace(tensors, { class: arithmetic });
    const result = await compareTraces(told, found);
    assert.equal([result.pass, result.class], [pass, arithmetic]);
  }
});

compare('law: rotary tensors may differ by their position · 2^-23, others may not', async () => {
  const torch = goldenTensors(rope);
  const trace = await memoryTrace(torch, goldenMetadata(rope));
  const name = 'model.layers.0.self_attn.key_rotated';
  const { shape, values } = torch.get(name) as NamedTensor;
  const [, T, D] = shape;
  const moved = (factor: number, isLate: boolean) => {
    const copy = Float32Array.from(values);
    for (let row = 0; row < copy.length / D; row++) {
      const t = row % T;
      if (t < T - 2 === isLate) continue;
      const part = copy.subarray(row * D, (row + 1) * D);
      const largest = part.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      part[0] += factor * (T - 2) * 2 ** -23 * largest;
    }
    return memoryTrace(new Map([...torch, [name, { shape, values: copy }]]));
  };
  const excess = async (found: ReturnType<typeof moved>) => {
    const { tensors: verdicts } = await compareTraces(trace, await found);
    return verdicts.find((verdict) => verdict.name === name)?.statistics?.excess ?? NAN;
  };
  assert.is(await excess(moved(1, true)), 0);
  assert.ok((await excess(moved(1, false))) > 0);
  assert.ok((await excess(moved(9, true))) > 0);
});

compare('law: logits are measured by KL, first tokens and perplexity', async () => {
  const { tensors: verdicts } = await compareTraces(expected, expected);
  const logits = verdicts.find(({ name }) => name === 'logits')?.logits;
  assert.equal([logits?.klMax, logits?.top1Agreement, logits?.ties], [0, 1, 0]);
  // ln p of the next id, from the recorded logits, in plain arithmetic.
  const { shape, values } = tensors.get('logits') as NamedTensor;
  const ids = tensors.get('input_ids')?.values ?? [];
  let loss = 0;
  for (let t = 0; t + 1 < shape[0]; t++) {
    const row = [...values.subarray(t * shape[1], (t + 1) * shape[1])];
    loss += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[ids[t + 1]];
  }
  const perplexity = Math.exp(loss / (shape[0] - 1));
  assert.ok(Math.abs((logits?.perplexityExpected ?? 0) / perplexity - 1) < 1e-12);
});

compare('law: both traces are read in pieces of 4 MiB, whatever their size', async () => {
  const rows = 3000;
  const values = Float32Array.from({ length: rows * 1000 }, (_, i) => (i % 977) - 400);
  const large: NamedTensors = new Map([['model.layers.0.output', { shape: [rows, 1000], values }]]);
  const sources = [1, 2].map(() => countingSource(bufferSource('large', traceBytes(large))));
  const [a, b] = await Promise.all(sources.map((source) => openTrace(source)));
  assert.ok((await compareTraces(a, b)).pass);
  for (const { largest } of sources) assert.ok(largest() <= 4 * 2 ** 20);
});

compare.run();
