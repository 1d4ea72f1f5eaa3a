/** `baichuan verify`: what it prints, and its exit codes. */

import { createHash } from 'node:crypto';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';
import { scratchPath } from '../support/scratch-files.ts';

const cli = suite('cli-verify');

/** A copy of a golden model, with its configuration and weights only. */
function copy(): string {
  const folder = scratchPath('model');
  for (const name of ['config.json', 'model.safetensors']) {
    cpSync(join(goldenPath('alibi-5heads'), name), join(folder, name));
  }
  return folder;
}

/** Spoils one weight of the file: the last bytes are those of the last tensor. */
function spoil(folder: string, word: number): void {
  const path = join(folder, 'model.safetensors');
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(word, bytes.length - 4);
  writeFileSync(path, bytes);
}

cli(
  'law: it prints the files, a table of the tensors and the verdict, and exits with 0',
  async () => {
    const folder = copy();
    const { code, stdout, stderr } = await runCommand(['verify', '-m', folder]);
    assert.equal([code, stderr], [0, '']);
    const lines = stdout.trimEnd().split('\n');
    assert.match(lines[0], /^[0-9a-f]{64} {2}config\.json$/);
    assert.match(lines[1], /^[0-9a-f]{64} {2}model\.safetensors$/);
    const row = lines.find((line) => line.startsWith('model.layers.2.mlp.down_proj.weight'));
    assert.match(row ?? '', / F32 +\[40, 112\] +0 +0 {2}[0-9a-f]{64}$/);
    assert.is(lines.at(-1), `${folder}: 2 files, 24 tensors, nothing wrong`);
  },
);

cli('law: --sha256sum prints what sha256sum prints, and --against takes it', async () => {
  const folder = copy();
  const { stdout } = await runCommand(['verify', '-m', folder, '--sha256sum']);
  const names = readdirSync(folder).sort();
  const digest = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  assert.is(stdout, names.map((name) => `${digest(name)}  ${name}\n`).join(''));
  const list = scratchPath('SHA256SUMS');
  writeFileSync(list, stdout);
  assert.is((await runCommand(['verify', '-m', folder, '--against', list])).code, 0);
  const stdin = await runCommand(['verify', '-m', folder, '--against', '-'], { stdin: stdout });
  assert.is(stdin.code, 0);

  // A list that was cut says less, and that is said.
  writeFileSync(list, stdout.slice(0, stdout.indexOf('\n') + 1));
  const cut = await runCommand(['verify', '-m', folder, '--against', list]);
  assert.is(cut.code, 0);
  assert.match(cut.stderr, /^notice: .* of \d+ files are not on the list\.\n$/);
  writeFileSync(list, '');
  assert.is((await runCommand(['verify', '-m', folder, '--against', list])).code, 2);
  writeFileSync(list, stdout);

  writeFileSync(join(folder, 'config.json'), `${readFileSync(join(folder, 'config.json'))} `);
  const changed = await runCommand(['verify', '-m', folder, '--against', list]);
  assert.is(changed.code, 5);
  assert.match(changed.stderr, /^checksum-mismatch: .*config\.json: .*\n$/);
  assert.match(changed.stdout, /1 problems\n$/);
});

cli('error: two forms of output at once', async () => {
  const { code, stderr } = await runCommand(['verify', '--sha256sum', '--json']);
  assert.is(code, 2);
  assert.match(stderr, /option-value.*--sha256sum and --json/);
});

cli('law: a weight that is no number is told with its place, and exits with 5', async () => {
  for (const [word, nan, infinite] of [
    [0x7fc00000, 1, 0],
    [0xff800000, 0, 1],
  ]) {
    const folder = copy();
    spoil(folder, word);
    const text = await runCommand(['verify', '-m', folder]);
    assert.is(text.code, 5);
    assert.match(text.stderr, /^tensor-not-finite: .*model\.safetensors: \S+\[[\d, ]+\]: /);
    const json = await runCommand(['verify', '-m', folder, '--json']);
    assert.equal([json.code, json.stderr], [5, '']);
    const value = JSON.parse(json.stdout);
    assert.equal(Object.keys(value), ['name', 'files', 'tensors', 'problems']);
    const tensor = value.tensors.find(({ first }: { first?: number[] }) => first !== undefined);
    assert.equal([tensor.nan, tensor.infinite], [nan, infinite]);
    // The last element of the tensor.
    assert.equal(
      tensor.first,
      tensor.shape.map((length: number) => length - 1),
    );
    assert.equal(
      value.problems.map(({ code }: { code: string }) => code),
      ['tensor-not-finite'],
    );
  }
});

cli('error: a file that is cut, and a model that is not there', async () => {
  const folder = copy();
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, readFileSync(path).subarray(0, -1));
  const cut = await runCommand(['verify', '-m', folder]);
  assert.is(cut.code, 5);
  assert.match(cut.stderr, /^safetensors-truncated: /);
  assert.match(cut.stdout, /2 files, 0 tensors, 1 problems\n$/);
  assert.is((await runCommand(['verify', '-m', join(folder, 'absent')])).code, 7);
  const list = await runCommand(['verify', '--against', path]);
  assert.is(list.code, 2);
  assert.is((await runCommand(['verify', '--against', join(folder, 'absent')])).code, 7);
});

cli.run();
