/** `baichuan convert`: options, refusals, and that a stop leaves the old state and no debris. */

import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';
import { scratchPath } from '../support/scratch-files.ts';
import { sparseModel } from '../support/sparse-model.ts';

const cli = suite('cli-convert');
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const MODEL = goldenPath('alibi-5heads');

/** A path in a new folder, in which debris would be seen. */
function place(name = 'out'): string {
  const folder = scratchPath('place');
  mkdirSync(folder);
  return join(folder, name);
}

/** Every file under a folder with its text. */
function snapshot(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.map((entry) => join(entry.parentPath, entry.name));
  const text = (file: string) => (statSync(file).isFile() ? readFileSync(file, 'latin1') : '/');
  return Object.fromEntries(files.map((file) => [file, text(file)]));
}

cli('law: a folder is written, and one line or one JSON value says what', async () => {
  const out = place();
  const { code, stdout, stderr } = await runCommand(['convert', '-m', MODEL, '--out', out]);
  assert.equal([code, stderr], [0, '']);
  const size = ['config.json', 'model.safetensors'].reduce(
    (sum, name) => sum + statSync(join(out, name)).size,
    0,
  );
  assert.is(stdout, `${out}: safetensors, F32, 2 files, ${(size / 1e6).toFixed(2)} MB\n`);
  const other = place();
  const options = ['-q', 'int4', '--max-shard-size', '20KB', '--json'];
  const quantized = await runCommand(['convert', '-m', MODEL, '-o', other, ...options]);
  const value = JSON.parse(quantized.stdout);
  assert.equal([value.out, value.format, value.type], [other, 'safetensors', 'Q4_0']);
  assert.equal(value.files.toSorted(), readdirSync(other).sort());
  const bytes = value.files.reduce(
    (sum: number, name: string) => sum + statSync(join(other, name)).size,
    0,
  );
  assert.is(value.bytes, bytes);
  assert.equal(readdirSync(dirname(other)), ['out'], 'no debris');
});

cli('law: inspect and generate take what convert wrote', async () => {
  const out = place();
  await runCommand(['convert', '-m', MODEL, '-q', 'int4-channel', '-o', out]);
  const inspected = await runCommand(['inspect', '-m', out, '--json']);
  const { config, memory, tensors } = JSON.parse(inspected.stdout);
  assert.equal([config.quantization, memory.quantize], ['int4-channel', 'int4-channel']);
  const linear = tensors.find(({ name }: { name: string }) => name.includes('W_pack'));
  assert.equal([linear.dtype, linear.shape], ['I4', [120, 40]]);
  const prompt = ['--prompt-ids', '5,77,9', '-n', '5', '--greedy'];
  const [written, direct] = [
    await runCommand(['generate', '-m', out, ...prompt]),
    await runCommand(['generate', '-m', MODEL, '-q', 'int4-channel', ...prompt]),
  ];
  assert.equal([written.code, written.stderr], [0, '']);
  assert.is(written.stdout, direct.stdout);
});

cli('law: --force replaces a converted model, and only that', async () => {
  const out = place();
  await runCommand(['convert', '-m', MODEL, '-o', out]);
  const before = snapshot(dirname(out));
  const again = await runCommand(['convert', '-m', MODEL, '-q', 'int8', '-o', out]);
  assert.is(again.code, 7);
  assert.match(again.stderr, /io-exists: .*not empty.*--force/);
  assert.equal(snapshot(dirname(out)), before);

  const args = ['convert', '-m', MODEL, '-q', 'int8', '-o', out, '--force'];
  assert.is((await runCommand(args)).code, 0);
  assert.not.equal(snapshot(dirname(out)), before);
  assert.equal(readdirSync(dirname(out)), ['out']);

  // The original of another model has the same names.
  const original = place();
  mkdirSync(original);
  for (const name of ['config.json', 'model.safetensors']) {
    copyFileSync(join(MODEL, name), join(original, name));
  }
  const whole = snapshot(original);
  const kept = await runCommand(['convert', '-m', out, '-o', original, '--force']);
  assert.equal([kept.code, /"model\.safetensors", which is no file/.test(kept.stderr)], [7, true]);
  assert.equal(snapshot(original), whole);

  // Settings without weights are no conversion either.
  rmSync(join(original, 'model.safetensors'));
  const settings = await runCommand(['convert', '-m', out, '-o', original, '--force']);
  assert.equal(
    [settings.code, /"config\.json", which is no file/.test(settings.stderr)],
    [7, true],
  );
  assert.equal(readdirSync(original), ['config.json']);

  writeFileSync(join(out, 'notes.md'), 'mine');
  const own = snapshot(dirname(out));
  const foreign = await runCommand(args);
  assert.equal([foreign.code, /notes\.md/.test(foreign.stderr)], [7, true]);
  assert.equal(snapshot(dirname(out)), own);
});

cli('error: the model that is read is never written over', async () => {
  const out = place();
  await runCommand(['convert', '-m', MODEL, '-o', out]);
  const before = snapshot(dirname(out));
  for (const target of [out, dirname(out), join(out, '.'), `${out}/`]) {
    const args = ['convert', '-m', out, '-q', 'int4', '-o', target, '--force'];
    const { code, stderr } = await runCommand(args);
    assert.equal([code, /^option-value: --out: .*never overwritten/.test(stderr)], [2, true]);
  }
  assert.equal(snapshot(dirname(out)), before);
});

cli('error: options that say nothing, too much, or what no format has', async () => {
  const out = place();
  const refused: [string[], number, RegExp][] = [
    [[], 2, /--out.*no place/],
    [['-o', ''], 2, /--out/],
    [['-o', out, '--format', 'onnx'], 2, /--format.*onnx.*safetensors or gguf/],
    [['-o', out, '--format', 'gguf'], 2, /--out.*FILE\.gguf/],
    [['-o', `${out}.safetensors`], 2, /--out.*a folder/],
    [['-o', `${out}.gguf`, '--max-shard-size', '1GB'], 2, /--max-shard-size/],
    [['-o', out, '--max-shard-size', '0'], 2, /--max-shard-size/],
    [['-o', out, '--max-shard-size', '1e9'], 2, /--max-shard-size/],
    [['-o', out, '--max-shard-size', '5 parsecs'], 2, /--max-shard-size.*5GB/],
    [['-o', out, '--type', 'q4_0'], 2, /--type.*--quantize int4/],
    [['-o', out, '--type', 'f16', '-q', 'int4'], 2, /--type and --quantize/],
    [['-o', out, '-q', 'int5'], 2, /int5/],
    [['-o', out, 'word'], 2, /--model/],
    [['-o', `${out}.gguf`, '-q', 'int8-channel'], 4, /int8-channel/],
    [['-o', join(out, 'absent', 'x')], 7, /io-not-found/],
  ];
  for (const [args, code, message] of refused) {
    const result = await runCommand(['convert', '-m', MODEL, ...args]);
    assert.is(result.code, code, args.join(' '));
    assert.match(result.stderr, message);
    assert.equal(readdirSync(dirname(out)), [], args.join(' '));
  }
});

cli('law: sizes of shards have the units of Hugging Face', async () => {
  const count = async (size: string) => {
    const out = place();
    await runCommand(['convert', '-m', MODEL, '-o', out, '--max-shard-size', size]);
    return readdirSync(out).filter((name) => name.endsWith('.safetensors')).length;
  };
  const thousands = await count('100KB');
  assert.ok(thousands > 1);
  assert.is(await count('100000'), thousands);
  assert.is(await count('0.1MB'), thousands);
  assert.is(await count('1MiB'), 1);
});

/** Waits until a converter has written some bytes of weights. */
async function untilWriting(folder: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const found = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name === 'model.safetensors')
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => file.includes('.baichuan-'));
    if (found.some((file) => statSync(file).size > 2 ** 20)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const model = sparseModel(scratchPath('sparse'));

for (const signals of [['SIGINT'], ['SIGTERM'], ['SIGHUP'], ['SIGINT', 'SIGINT']] as const) {
  cli(`law: ${signals.join(', then ')} leaves the old state and no debris`, async () => {
    const out = place();
    await runCommand(['convert', '-m', MODEL, '-o', out]);
    const before = snapshot(dirname(out));
    const args = ['convert', '-m', model, '-q', 'int4', '-o', out, '--force'];
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await untilWriting(dirname(out), child);
    for (const signal of signals) child.kill(signal);
    assert.is(await ended, signals[0] === 'SIGHUP' ? 129 : 130);
    assert.equal(snapshot(dirname(out)), before);
  });
}

cli.run();
