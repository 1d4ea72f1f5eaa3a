/** The report of a comparison as a file: what it says, that nobody else's text becomes markup, and
 *  how large it may become. */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compareBackends, compareWithModel } from '../../../src/conform/compare-backends.ts';
import { compareReport } from '../../../src/conform/report/compare-report.ts';
import { computedTrace } from '../../../src/conform/report/computed-trace.ts';
import type { TraceSource } from '../../../src/conform/trace-source.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { goldenToCompare } from '../../support/oracle.ts';
import { embeddedData, lazyTrace, tagNames } from '../../support/report-traces.ts';
import { goldenTensors, memoryTrace, type NamedTensor } from '../../support/traces.ts';

const report = suite('compare report');
const [golden] = GOLDENS;
const tensors = goldenTensors(golden);
const expected = await memoryTrace(tensors, {}, 'expected.safetensors');
const NAME = 'model.layers.1.self_attn.probs';
const { shape, values } = tensors.get(NAME) as NamedTensor;
const broken = Float32Array.from(values);
broken[3 * shape[1] * shape[2] + 2 * shape[2] + 1] += 0.25;
const found = await memoryTrace(new Map([...tensors, [NAME, { shape, values: broken }]]));

async function pageOf(a: TraceSource, b: TraceSource, idToPiece?: (id: number) => string) {
  const comparison = await compareBackends(a, b);
  return compareReport({ comparison, expected: a, found: b, isLocal: false, idToPiece });
}

report('law: the first place is named with position, head, key and both numbers', async () => {
  const page = await pageOf(expected, found);
  const [, facts = ''] = /<dl class="facts" id="first">(.*?)<\/dl>/s.exec(page) ?? [];
  const text = facts.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
  const [e, f] = [values, broken].map((x) => x[3 * shape[1] * shape[2] + 2 * shape[2] + 1]);
  for (const part of [NAME, 'position 2', 'head 3', 'key 1', 'difference 0.25']) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  for (const x of [e, f]) assert.ok(text.includes(String(Number(x.toPrecision(9)))), text);
  assert.match(page, /<title>FAIL: trace against expected\.safetensors<\/title>/);
  assert.equal(embeddedData(page).attention.places[embeddedData(page).attention.chosen], [1, 3]);
});

report('law: a trace against itself passes, with every mark in the lane of 0', async () => {
  const page = await pageOf(expected, expected);
  assert.match(page, /<div class="word">PASS<\/div>/);
  assert.is(page.includes('id="first"'), false);
  assert.is(page.includes('What it looks like'), false);
  const marks = [...page.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map(([, y]) => Number(y));
  assert.is(new Set(marks.slice(0, 10)).size, 1);
});

report('law: every tensor has a row, and a mark that leads to it', async () => {
  const page = await pageOf(expected, found);
  const rows = [...page.matchAll(/<tr id="(tensor-\d+)" class="(\w+)">/g)];
  const marks = [
    ...page.matchAll(/<a href="#(tensor-\d+)" tabindex="-1" class="point \w+ (\w+)">/g),
  ];
  assert.is(rows.length, tensors.size);
  assert.equal(
    marks.map(([, id, status]) => `${id} ${status}`),
    rows.map(([, id, status]) => `${id} ${status}`),
  );
  assert.ok(rows.some(([, , status]) => status === 'beyond'));
});

report(
  'law: only the script of the page may run, known by its hash, and nothing is asked',
  async () => {
    const page = await pageOf(expected, found);
    const [, hash] = /script-src 'sha256-([^']+)'/.exec(page) ?? [];
    const scripts = [...page.matchAll(/<script>(.*?)<\/script>/gs)].map(([, script]) => script);
    assert.is(scripts.length, 1);
    assert.is(createHash('sha256').update(scripts[0]).digest('base64'), hash);
    assert.match(page, /content="default-src 'none';/);
    assert.not.match(page, /(src|href)="(?!#)/);
    assert.not.match(page, /https?:|url\(|@import/);
  },
);

const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    ...['</script><script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '</title><b>'],
    ...["' onfocus='alert(1)", '--><script>', '</style>', '<svg/onload=alert(1)>'],
  ),
);

report('error: no name, metadata, token or number of a trace becomes markup', async () => {
  const small = (name: string, producer: string) =>
    lazyTrace(
      new Map([
        ['logits', { shape: [2, 5], valueAt: (i: number) => (i * 3) % 7 }],
        ['model.layers.0.self_attn.probs', { shape: [2, 2, 2], valueAt: () => 0.5 }],
        [`${name}.weight`, { shape: [1], valueAt: () => 0 }],
      ]),
      { prompt_ids: '[1,2]', producer, version: producer, runtime: name },
      name,
    );
  const render = (text: string) => pageOf(small(text, text), small(text, text), () => text);
  const plain = tagNames(await render('x'));
  await fc.assert(
    fc.asyncProperty(hostile, async (text) => {
      fc.pre(text !== '');
      const page = await render(text);
      assert.equal(tagNames(page), plain);
      assert.not.match(page.replace(/<script.*?<\/script>/gs, ''), /<[^>]*\son\w+=/);
      const { labels } = embeddedData(page).attention;
      assert.is(labels.length, 2);
    }),
    { seed: 1, numRuns: 60, examples: [['</script><script>alert(1)</script>']] },
  );
});

report('law: the file stays below 5 MB whatever the traces have', async () => {
  const [layers, heads, T, V] = [40, 40, 64, 400];
  const big = new Map<string, { shape: number[]; valueAt(i: number): number }>();
  const one = (i: number) => (i % 13) / 13;
  big.set('logits', { shape: [T, V], valueAt: one });
  for (let layer = 0; layer < layers; layer++) {
    const path = `model.layers.${layer}`;
    big.set(`${path}.self_attn.probs`, { shape: [heads, T, T], valueAt: one });
    for (const leaf of ['input_layernorm', 'self_attn', 'mlp', 'mlp.down_proj']) {
      big.set(`${path}.${leaf}.output`, { shape: [T, 3], valueAt: one });
    }
  }
  for (let layer = layers; layer < 1600; layer++) {
    big.set(`model.layers.${layer}.output`, { shape: [T, 3], valueAt: one });
  }
  const metadata = { prompt_ids: JSON.stringify(Array.from({ length: T }, (_, i) => i)) };
  const [a, b] = [0, 1].map(() => lazyTrace(big, metadata));
  const page = await pageOf(a, b, () => '中'.repeat(500));
  const bytes = new TextEncoder().encode(page).length;
  assert.ok(bytes > 2_000_000 && bytes < 5_000_000, String(bytes));
  assert.ok((page.match(/<tr id="tensor-/g)?.length ?? 0) <= 1500);
});

report('law: against a model, what it computed stands beside what was found', async () => {
  const model = await goldenToCompare(golden);
  const { trace, watch } = computedTrace('model');
  const comparison = await compareWithModel(model, found, { watch });
  const page = await compareReport({ comparison, expected: trace, found, isLocal: true });
  const { attention } = embeddedData(page);
  assert.is(attention.expected.length, attention.found.length);
  assert.not.equal(attention.expected, attention.found);
  assert.match(page, /id="logit-scatter"/);
  // The probabilities are recomputed from recorded scores: only the broken head differs.
  const computed = await trace.entries.get(NAME)?.read(0, values.length);
  const error = Math.max(...values.map((x, i) => Math.abs(x - (computed?.[i] ?? 0))));
  assert.ok(error < 1e-6, String(error));
});

report.run();
