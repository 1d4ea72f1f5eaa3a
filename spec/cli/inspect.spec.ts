import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';

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

cli('law: --context-length plans the cache, in blocks of 64 positions', async () => {
  const plan = async (length: string) =>
    JSON.parse(
      (await runCommand(['inspect', '--preset', 'baichuan-13b', '-c', length, '--json'])).stdout,
    ).memory;
  const [one, two] = [await plan('64'), await plan('65')];
  // keys and values · layers · hidden · float32 · positions
  assert.is(one.cacheBytes, 2 * 40 * 5120 * 4 * 64);
  assert.is(two.cacheBytes, 2 * one.cacheBytes);
  assert.is(one.totalBytes, one.cacheBytes + 4 * 13_264_901_120);
});

cli.run();
