import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';
import { scratchPath } from '../support/scratch-files.ts';

const cli = suite('inspect');

cli('golden: the presets have the published parameter counts and sizes', async () => {
  for (const [preset, parameters, layers] of [
    ['baichuan-7b', 7_000_559_616, 32],
    ['baichuan-13b', 13_264_901_120, 40],
  ]) {
    const { stdout } = await runCommand(['inspect', '--preset', `${preset}`, '--json']);
    const inspected = JSON.parse(stdout);
    assert.is(inspected.parameters, parameters);
    assert.is(inspected.config.numHiddenLayers, layers);
    const counted = inspected.tensors.map(({ shape }: { shape: number[] }) =>
      shape.reduce((product, length) => product * length, 1),
    );
    assert.is(
      counted.reduce((sum: number, count: number) => sum + count, 0),
      parameters,
    );
    assert.match((await runCommand(['inspect', '--preset', `${preset}`])).stdout, `${parameters}`);
  }
});

for (const { name, weights } of GOLDENS) {
  cli(`law: every tensor of the files is listed with type, shape and file (${name})`, async () => {
    const { stdout, code } = await runCommand(['inspect', '-m', goldenPath(name), '--json']);
    assert.is(code, 0);
    const { tensors } = JSON.parse(stdout);
    assert.equal(
      tensors.map((tensor: { name: string }) => tensor.name).sort(),
      [...weights.keys()].sort(),
    );
    for (const { name: tensor, dtype, shape, file } of tensors) {
      assert.equal([dtype, shape], [weights.get(tensor)?.dtype, weights.get(tensor)?.shape]);
      assert.match(file, /model\.safetensors$/);
    }
  });
}

cli(
  'law: the reference kernels hold quantized weights as float32, and the plan says so',
  async () => {
    const plan = ['inspect', '--preset', 'baichuan-13b', '-q', 'int4'];
    const sizeOf = async (...kernels: string[]) =>
      /weights \((.*?)\) +(\S+ GB)/
        .exec((await runCommand([...plan, ...kernels])).stdout)
        ?.slice(1);
    assert.equal(await sizeOf('--kernels', 'reference'), ['int4 as f32', '53.06 GB']);
    assert.equal(await sizeOf(), ['int4', '7.79 GB']);
  },
);

cli('law: --context-length plans the cache, in blocks of 64 positions', async () => {
  const plan = async (length: string) =>
    JSON.parse(
      (
        await runCommand([
          'inspect',
          '--preset',
          'baichuan-13b',
          '-c',
          length,
          ...kernels,
          '--json',
        ])
      ).stdout,
    ).memory;
  const kernels = ['--kernels', 'reference'];
  const [one, two] = [await plan('64'), await plan('65')];
  // keys and values · layers · hidden · float32 · positions
  assert.is(one.cacheBytes, 2 * 40 * 5120 * 4 * 64);
  assert.is(two.cacheBytes, 2 * one.cacheBytes);
  assert.is(one.weightBytes, 4 * 13_264_901_120);
  assert.is(one.totalBytes, one.cacheBytes + one.weightBytes + one.scratchBytes);
});

cli('law: --quantize, --kv and --kernels change the plan, and wrong ones are refused', async () => {
  const base = ['inspect', '--preset', 'baichuan-13b'];
  const memory = async (...options: string[]) =>
    JSON.parse((await runCommand([...base, ...options, '--json'])).stdout).memory;
  const none = await memory();
  const int4 = await memory('-q', 'int4');
  assert.ok(int4.weightBytes < none.weightBytes / 3);
  assert.is(int4.kvCache, 'int8');
  const wide = await memory('-q', 'int4', '--kv', 'f32');
  assert.ok(wide.cacheBytes > 3.8 * int4.cacheBytes);
  assert.is((await memory('--kernels', 'reference')).banks.length, 0);
  assert.ok(int4.banks.length === 3 && none.banks.length > 7);
  for (const options of [
    ['-q', 'int5'],
    ['--kv', 'f16'],
    ['--kernels', 'cuda'],
  ]) {
    const { code, stderr } = await runCommand([...base, ...options]);
    assert.is(code, 2);
    assert.match(stderr, /^error|option-value/);
  }
  const { stdout } = await runCommand([...base, '-q', 'int4']);
  assert.match(stdout, /weights \(int4\) +7\.79 GB/);
  assert.match(stdout, /bank 2 +3\.\d+ GB {2}\d+ … head/);
});

cli('error: a named file that is no model is told as that, with what to give instead', async () => {
  const folder = scratchPath('named');
  mkdirSync(folder);
  for (const name of ['make.py', 'tokenizer.model', 'a.gguf', 'b.gguf']) {
    writeFileSync(join(folder, name), 'import torch');
  }
  for (const [path, status, message] of [
    [join(folder, 'make.py'), 3, /^io-magic: .*make\.py: .* no model.* Give the folder of a model/],
    [
      join(folder, 'tokenizer.model'),
      3,
      /"tokenizer\.model" is no model.* has 2 models: "a\.gguf"/,
    ],
    ['/dev/zero', 7, /^io-not-a-file: \/dev\/zero: this is a device/],
  ] as const) {
    const { code, stderr } = await runCommand(['inspect', '-m', path]);
    assert.is(code, status, stderr);
    assert.match(stderr, message);
  }
});

cli.run();
