/** The report of a whole run as a file: every claim and case is there, the trace that is shown is
 *  the one that matters, and nobody else's text becomes markup. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ClaimVerdict, ConformReport } from '../../../src/conform/claims/claim.ts';
import { compareBackends } from '../../../src/conform/compare-backends.ts';
import { createConformPage } from '../../../src/conform/report/conform-page.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { embeddedData, tagNames } from '../../support/report-traces.ts';
import { goldenTensors, memoryTrace, type NamedTensor } from '../../support/traces.ts';

const spec = suite('conform page');

const NAME = 'model.layers.1.self_attn.probs';
const tensors = goldenTensors(GOLDENS[0]);
const expected = await memoryTrace(tensors, {}, 'expected.safetensors');
const { shape, values } = tensors.get(NAME) as NamedTensor;
const broken = Float32Array.from(values);
broken[0] += 0.25;
const found = await memoryTrace(new Map([...tensors, [NAME, { shape, values: broken }]]));

const claims: readonly ClaimVerdict[] = [
  {
    ...{ claim: 'tokenizer', status: 'pass', detail: '1 of 1' },
    cases: [{ id: 'blanks', status: 'pass', detail: '3 ids' }],
  },
  { claim: 'chat', status: 'not-tested', detail: 'it has no chat', cases: [] },
  {
    ...{ claim: 'logits', status: 'fail', detail: '1 of 3; "b": after position 3' },
    cases: [
      { id: 'a', status: 'pass', detail: 'off by 1e-7', difference: 1e-7, allowed: 2e-6 },
      { id: 'b', status: 'fail', detail: '<b>&"', difference: 0.5, allowed: 4e-6 },
      { id: 'c', status: 'missing', detail: 'no answer' },
    ],
  },
];
const report: ConformReport = {
  ...{ pass: false, backend: 'http://<host>', model: 'a&b', class: 'bf16', claims },
};

async function pageOf(names: readonly ('right' | 'wrong')[]): Promise<string> {
  const page = createConformPage();
  for (const [index, name] of names.entries()) {
    const other = name === 'right' ? expected : found;
    const comparison = await compareBackends(expected, other);
    await page.look({ id: `${name}-${index}`, expected, found: other, comparison });
  }
  return page.render(report);
}

const textOf = (page: string) => page.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

spec('law: every claim has its verdict, every case its row with its numbers', async () => {
  const page = await pageOf([]);
  const [, table = ''] = /<table id="claim-table">(.*?)<\/table>/s.exec(page) ?? [];
  const text = textOf(table);
  assert.match(text, / tokenizer PASS 1 of 1 Texts become the ids/);
  assert.match(text, / chat not tested 0 of 0 it has no chat/);
  assert.match(text, / logits FAIL 1 of 3 1 of 3; &quot;b&quot;/);
  const [, logits = ''] = /<section id="claim-logits"(.*?)<\/section>/s.exec(page) ?? [];
  const cases = textOf(logits);
  for (const part of [
    ' a PASS 1.00 · 10⁻⁷ 2.00 · 10⁻⁶ off by 1e-7',
    ' b FAIL 0.5 4.00 · 10⁻⁶',
    ' c no answer no answer',
  ]) {
    assert.ok(cases.includes(part), `${part} in ${cases}`);
  }
  // What is wrong comes first.
  assert.ok(cases.indexOf(' c no answer') < cases.indexOf(' a PASS'), cases);
  assert.match(textOf(page), /1 of 2 tested claims failed in class bf16/);
  assert.is(page.includes('id="claim-chat"'), false);
});

spec('law: the first trace that parts is shown, else the first', async () => {
  for (const [names, title] of [
    [['right', 'wrong', 'wrong', 'right'], 'The first trace that parts: wrong-1'],
    [['wrong', 'right'], 'The first trace that parts: wrong-0'],
    [['right', 'right'], 'The trace of right-0'],
  ] as const) {
    const page = await pageOf(names);
    assert.ok(page.includes(`>${title}</h2>`), title);
    assert.is(page.match(/id="tensor-table"/g)?.length, 1);
    assert.is(
      page.includes('id="first"'),
      names.some((name) => name === 'wrong'),
    );
    assert.ok(embeddedData(page).attention.places.length > 0);
    const ids = [...page.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id);
    assert.is(new Set(ids).size, ids.length);
  }
});

spec('law: texts of the backend stay text', async () => {
  const page = await pageOf([]);
  assert.equal(tagNames(page), tagNames(page.replaceAll('&lt;', 'x')));
  assert.ok(page.includes('&lt;b&gt;&amp;&quot;'));
  assert.match(page, /<title>FAIL: http:\/\/&lt;host&gt;<\/title>/);
  assert.ok(page.includes('<code>a&amp;b</code>'));
});

spec.run();
