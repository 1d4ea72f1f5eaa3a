/** The attention maps that a report embeds, against the probabilities that PyTorch recorded. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  collectAttention,
  differenceByte,
  probabilityByte,
} from '../../../src/conform/report/attention-maps.ts';
import { spellPrompt } from '../../../src/conform/report/tokens.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { bytesOf, lazyTrace } from '../../support/report-traces.ts';
import { goldenTensors, memoryTrace, type NamedTensor } from '../../support/traces.ts';

const maps = suite('attention maps');
const [golden] = GOLDENS;
const tensors = goldenTensors(golden);
const trace = await memoryTrace(tensors);
const prompt = spellPrompt([...(tensors.get('input_ids')?.values ?? [])]);
const options = { prompt, row: 0, first: [] };
const NAME = (layer: number) => `model.layers.${layer}.self_attn.probs`;

maps('golden: every head of every layer is there, to half a step of √p', async () => {
  const data = await collectAttention({ found: trace }, options);
  const { numHiddenLayers: layers, numAttentionHeads: heads } = golden.config;
  assert.is(data?.places.length, layers * heads);
  assert.equal([data?.expected, data?.difference, data?.block], [undefined, undefined, 1]);
  const bytes = bytesOf(data?.found ?? '');
  const T = prompt.ids.length;
  assert.is(bytes.length, layers * heads * T * T);
  data?.places.forEach(([layer, head], index) => {
    const { values } = tensors.get(NAME(layer)) as NamedTensor;
    for (let cell = 0; cell < T * T; cell++) {
      const root = Math.sqrt(values[head * T * T + cell]);
      assert.ok(Math.abs(bytes[index * T * T + cell] / 255 - root) <= 0.501 / 255);
    }
  });
});

maps('law: a difference is signed, logarithmic, and 128 for the same bits only', async () => {
  assert.equal([1, -1, 1e-9, -1e-9, 1e-20, 0, -0].map(differenceByte), [
    ...[255, 1, 129, 127, 129, 128, 128],
  ]);
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  assert.equal([nan, infinity, -infinity].map(differenceByte), [255, 255, 1]);
  for (let x = 1e-8; x < 0.5; x *= 10) {
    assert.ok(differenceByte(10 * x) > differenceByte(x));
    assert.is(differenceByte(-x), 256 - differenceByte(x));
  }
  const { shape, values } = tensors.get(NAME(1)) as NamedTensor;
  const changed = Float32Array.from(values);
  const T = prompt.ids.length;
  const at = 2 * T * T + T;
  changed[at] += 0.125;
  const found = await memoryTrace(new Map([...tensors, [NAME(1), { shape, values: changed }]]));
  const data = await collectAttention({ expected: trace, found }, { ...options, first: [[1, 2]] });
  const bytes = bytesOf(data?.difference ?? '');
  const head = data?.places.findIndex(([l, h]) => l === 1 && h === 2) ?? -1;
  assert.is(data?.chosen, head);
  const different = [...bytes.keys()].filter((i) => bytes[i] !== 128);
  assert.equal(different, [head * T * T + T]);
  assert.is(bytes[different[0]], differenceByte(Math.fround(changed[at] - values[at])));
});

maps('law: what is no probability is drawn as one', () => {
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
  assert.equal([nan, infinity, -1, 0, 1, 0.25].map(probabilityByte), [0, 255, 0, 0, 255, 128]);
});

maps('law: a long prompt is shown in blocks: mean probability, largest difference', async () => {
  const T = 150;
  const [a, b] = [1, -1].map((sign) =>
    lazyTrace(
      new Map([
        [
          NAME(0),
          {
            shape: [2, T, T],
            valueAt: (i: number) => ((i * 7) % 64) / 64 + (sign * (i % 5)) / 512,
          },
        ],
      ]),
    ),
  );
  const data = await collectAttention({ expected: a, found: b }, options);
  assert.equal([data?.block, data?.cells, data?.tokens], [3, 50, T]);
  const [one, two] = [a, b].map((side) => side.entries.get(NAME(0)));
  const values = await Promise.all([one, two].map((entry) => entry?.read(0, 2 * T * T)));
  const [x, y] = values as Float32Array[];
  const bytes = bytesOf(data?.expected ?? '');
  const differences = bytesOf(data?.difference ?? '');
  for (const [head, row, column] of [
    [0, 0, 0],
    [0, 49, 49],
    [1, 20, 31],
  ]) {
    const cells: number[] = [];
    for (let i = 0; i < 9; i++) {
      cells.push(head * T * T + (3 * row + Math.floor(i / 3)) * T + 3 * column + (i % 3));
    }
    const at = head * 2500 + row * 50 + column;
    const mean = cells.reduce((sum, i) => sum + x[i], 0) / 9;
    assert.ok(Math.abs(bytes[at] / 255 - Math.sqrt(mean)) <= 0.501 / 255);
    const sizes = cells.map((i) => y[i] - x[i]).sort((p, q) => Math.abs(q) - Math.abs(p));
    assert.is(differences[at], differenceByte(sizes[0]));
  }
});

maps('law: heads are left out where not all fit, never those that were asked for', async () => {
  const [layers, heads, T] = [30, 40, 64];
  const shape = [heads, T, T];
  const places = Array.from({ length: layers }, (_, layer) => [
    NAME(layer),
    { shape, valueAt: () => 0.5 },
  ]) as [string, { shape: number[]; valueAt(): number }][];
  const first = [
    [17, 33],
    [2, 39],
  ] as const;
  const data = await collectAttention({ found: lazyTrace(new Map(places)) }, { ...options, first });
  const shown = data?.places.map(String) ?? [];
  assert.ok(shown.length < 200 && shown.length > 150);
  assert.ok(shown.includes('17,33') && shown.includes('2,39'));
  assert.is(new Set(data?.places.map(([layer]) => layer)).size, layers);
  assert.equal(data?.places[data.chosen], [17, 33]);
});

maps('law: a side without probabilities has no map, and no side has no section', async () => {
  const bare = new Map([...tensors].filter(([name]) => !name.endsWith('.probs')));
  const found = await memoryTrace(bare);
  const data = await collectAttention({ expected: trace, found }, options);
  assert.is(typeof data?.expected, 'string');
  assert.equal([data?.found, data?.difference], [undefined, undefined]);
  assert.is(await collectAttention({ found }, options), undefined);
});

maps.run();
