/** No command writes over what it reads, nor two outputs into one file. */

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';

const cli = suite('outputs');
const folder = mkdtempSync(join(tmpdir(), 'baichuan-outputs-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);
const [model, weights, config] = ['model', 'model/model.safetensors', 'model/config.json'].map(at);
cpSync(goldenPath(GOLDENS[0].name), model, { recursive: true });
symlinkSync(weights, at('link'));
writeFileSync(at('prompt.txt'), 'Hamlet');
const [expected, found] = ['expected.safetensors', 'found.safetensors'].map(at);
const trace = ['trace', '-m', model, '--prompt-ids', '5,77,9'];
for (const out of [expected, found]) await runCommand([...trace, '--out', out]);
const emitted = await runCommand(['conform', '--emit', at('kit'), '-m', model]);
const requests = at('kit/requests.json');

const server = ['conform', '--server', 'http://127.0.0.1:9', '-m'];
for (const [title, args, option, target] of [
  ['a report over FOUND', ['compare', expected, found], 'html', found],
  ['a report over EXPECTED', ['compare', expected, found], 'html', expected],
  ['a report over weights', ['compare', '-m', model, found], 'html', weights],
  ['a report over weights by a link', ['compare', '-m', weights, found], 'html', at('link')],
  ['a trace over weights', trace, 'out', weights],
  ['a trace over the configuration', trace, 'out', config],
  ['a page over weights', trace, 'html', weights],
  ['a trace over its prompt', ['trace', '-f', at('prompt.txt')], 'out', at('prompt.txt')],
  ['a page where the trace goes', [...trace, '--out', at('same')], 'html', at('model/../same')],
  ['a page over weights, of a server', [...server, model], 'html', weights],
  ['a page over requests', ['conform', '--traces', at('kit'), '-m', model], 'html', requests],
] as const) {
  cli(`error: ${title} is refused, and nothing is written`, async () => {
    const before = target.endsWith('same') ? undefined : readFileSync(target);
    const { code, stdout, stderr } = await runCommand([...args, `--${option}`, target]);
    assert.equal([code, stdout], [2, ''], stderr);
    assert.match(stderr, `option-value`);
    assert.match(stderr, `--${option}: `);
    if (before !== undefined) assert.ok(before.equals(readFileSync(target)));
    else assert.throws(() => readFileSync(target));
  });
}

cli('law: an earlier output is replaced, beside the model too', async () => {
  assert.is(emitted.code, 0);
  for (const out of [at('old.safetensors'), at('model/old.safetensors')]) {
    for (let i = 0; i < 2; i++) {
      const { code } = await runCommand([...trace, '--out', out, '--html', `${out}.html`]);
      assert.is(code, 0);
    }
  }
});

cli.run();
