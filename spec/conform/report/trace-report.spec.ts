/** The report of one trace: what it shows, and that spellings stay text. */

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { traceReport } from '../../../src/conform/report/trace-report.ts';
import { GOLDENS } from '../../support/goldens.ts';
import { goldenToCompare } from '../../support/oracle.ts';
import { embeddedData, tagNames } from '../../support/report-traces.ts';
import { goldenTensors, memoryTrace } from '../../support/traces.ts';

const report = suite('trace report');
const [golden] = GOLDENS;
const trace = await memoryTrace(goldenTensors(golden));
const model = await goldenToCompare(golden);
const input = { trace, name: '/models/golden/', model };
const { numHiddenLayers: layers } = golden.config;
const T = goldenTensors(golden).get('input_ids')?.shape[0] ?? 0;

report('law: page and text have a line for every layer, and the page every guess', async () => {
  const { html, text } = await traceReport(input);
  assert.match(html, `<h1>What golden does with ${T} tokens</h1>`);
  assert.is(text.trimEnd().split('\n').length, 2 + layers);
  const [, table = ''] = /<table id="layer-table">(.*?)<\/table>/s.exec(html) ?? [];
  assert.is(table.match(/<tr>/g)?.length, 1 + layers);
  const { lens } = embeddedData(html);
  assert.equal([lens.layers.length, lens.tokens.length], [1 + layers, T]);
  assert.is(html.match(/class="guess /g)?.length, (1 + layers) * T);
  // What the terminal shows of the last layer is what the page has last.
  const best = lens.guesses[layers][T - 1][0];
  assert.match(text.trimEnd(), new RegExp(`${best.token} \\d[\\d.]* %$`));
});

report('law: a prompt is spelled with its vocabulary, else as numbers', async () => {
  const words = (id: number) => `夜${id}`;
  const { html } = await traceReport({ ...input, idToPiece: words });
  assert.match(html, /<span class="token">夜\d+<\/span>/);
  const refusing = () => {
    throw new RangeError('no such id');
  };
  const plain = await traceReport(input);
  assert.is((await traceReport({ ...input, idToPiece: refusing })).html, plain.html);
  assert.match(plain.html, /<span class="token">#\d+<\/span>/);
});

report('error: no spelling and no name of a model becomes markup', async () => {
  const render = async (text: string) =>
    (await traceReport({ ...input, name: text, idToPiece: () => text })).html;
  const plain = tagNames(await render('x'));
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }), async (text) => {
      assert.equal(tagNames(await render(text)), plain);
    }),
    {
      ...{ seed: 1, numRuns: 5 },
      examples: [['</script><script>alert(1)</script>'], ['"><img src=x onerror=alert(1)>']],
    },
  );
});

report.run();
