/** Every option of `baichuan tokenize` and `detokenize` changes what comes out, as it must. */

import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runCommand } from '../support/command.ts';

const cli = suite('tokenize command');
const FIXTURES = fileURLToPath(new URL('../../fixtures/tokenizer/', import.meta.url));
const SPECIAL = 'a<reserved_102>b';

async function printed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(args);
  assert.is(code, 0, stderr);
  return stdout;
}

cli('law: --json and --pieces show the ids, spellings and places of the plain output', async () => {
  const text = '夜雨 Hamlet';
  const ids = (await printed('tokenize', '-p', text)).trim();
  const json = JSON.parse(await printed('tokenize', '-p', text, '--json'));
  assert.is(json.ids.join(','), ids);
  const lines = (await printed('tokenize', '-p', text, '--pieces')).trim().split('\n');
  assert.equal(lines.map((line) => line.split('\t')[0]).join(','), ids);
  assert.equal(json.pieces.length, lines.length);
  assert.is(json.pieces.at(-1).end, text.length);
});

cli('law: --no-special keeps text that spells a role token text, alone and in lines', async () => {
  const plain = (await printed('tokenize', '-p', SPECIAL)).trim().split(',');
  assert.ok(plain.includes('195'));
  const safe = (await printed('tokenize', '-p', SPECIAL, '--no-special')).trim().split(',');
  assert.not(safe.includes('195'));
  assert.is(await printed('detokenize', safe.join(',')), `${SPECIAL}\n`);
  const stdin = `${JSON.stringify(SPECIAL)}\n`;
  const { stdout } = await runCommand(['tokenize', '--jsonl', '--no-special'], { stdin });
  assert.equal(JSON.parse(stdout).map(String), safe);
});

cli('law: --tokenizer takes a file or a folder, -m a folder', async () => {
  const own = await printed('tokenize', '-p', 'Hamlet');
  const other = await printed('tokenize', '-p', 'Hamlet', '--tokenizer', `${FIXTURES}plain.model`);
  assert.is.not(own, other);
  const embedded = fileURLToPath(new URL('../../fixtures/embedded', import.meta.url));
  assert.is(await printed('tokenize', '-p', 'Hamlet', '--tokenizer', embedded), own);
  assert.is(await printed('tokenize', '-p', 'Hamlet', '-m', embedded), own);
});

cli(
  'law: detokenize takes ids as words, option or JSON; --special writes control tokens',
  async () => {
    const ids = (await printed('tokenize', '-p', '夜雨')).trim();
    for (const args of [[ids], ids.split(','), [`[${ids}]`], ['--prompt-ids', ids]]) {
      assert.is(await printed('detokenize', ...args), '夜雨\n');
    }
    assert.is(await printed('detokenize', `${ids},2`), '夜雨\n');
    assert.is(await printed('detokenize', `${ids},2`, '--special'), '夜雨</s>\n');
    const json = JSON.parse(await printed('detokenize', ids, '--json'));
    assert.equal(json, { text: '夜雨', ids: ids.split(',').map(Number) });
  },
);

cli.run();
