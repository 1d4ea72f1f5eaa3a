/** `baichuan trace` against the recorded activations of the golden models. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { difference } from '../../src/verify/compare.ts';
import { goldenPath, runCommand } from '../support/command.ts';
import { GOLDENS, idsOf } from '../support/goldens.ts';
import { type OracleTensor, readSafetensors } from '../support/safetensors-oracle.ts';

const cli = suite('trace command');
const folder = mkdtempSync(join(tmpdir(), 'baichuan-trace-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

for (const golden of GOLDENS) {
  cli(
    `golden: the written file holds every recorded tensor within its bar (${golden.name})`,
    async () => {
      const out = join(folder, `${golden.name}.safetensors`);
      for (const row of [0, 1]) {
        const ids = idsOf(golden.float32.get('input_ids'), row);
        const args = [
          'trace',
          '-m',
          goldenPath(golden.name),
          '--prompt-ids',
          ids.join(','),
          '--out',
          out,
        ];
        const { code, stdout } = await runCommand([...args, '--json']);
        assert.is(code, 0);
        const written = readSafetensors(out);
        assert.equal(JSON.parse(stdout), { out, tensors: written.size, input_ids: ids });
        assert.is(written.get('input_ids')?.dtype, 'I64');
        for (const [
          name,
          {
            shape: [rows, ...shape],
            values,
          },
        ] of golden.float32) {
          const length = values.length / rows;
          const expected = { shape, values: values.subarray(row * length, (row + 1) * length) };
          const { relative } = difference(expected, written.get(name) as OracleTensor);
          assert.ok(relative <= golden.bars.float32, `${name}: ${relative}`);
        }
      }
    },
  );
}

const [{ name: anyGolden }] = GOLDENS;
const base = ['trace', '-m', goldenPath(anyGolden), '--prompt-ids', '1,2,3'];

cli('law: --taps chooses what is written, several patterns together', async () => {
  const out = join(folder, 'taps.safetensors');
  const taps = ['--taps', 'layers.*.self_attn.probs', '--taps', 'logits'];
  assert.is((await runCommand([...base, '--out', out, ...taps])).code, 0);
  assert.equal([...readSafetensors(out).keys()].sort(), [
    'logits',
    'model.layers.0.self_attn.probs',
    'model.layers.1.self_attn.probs',
    'model.layers.2.self_attn.probs',
  ]);
});

cli('law: the line printed says file, tensors and tokens', async () => {
  const out = join(folder, 'line.safetensors');
  const { stdout, stderr } = await runCommand([...base, '--out', out]);
  assert.is(stdout, `${out}: ${readSafetensors(out).size} tensors of 3 tokens\n`);
  assert.is(stderr, '');
});

for (const [title, args, arithmetic] of [
  ['float32 weights', [], 'f32'],
  ['the reference kernels', ['--kernels', 'reference'], 'f32'],
  ['fast activations beside float32 weights', ['--activations', 'fast'], 'f32'],
  ['a cache in int8', ['--kv', 'int8'], 'int8'],
  ['int8', ['-q', 'int8'], 'int8'],
  ['int8 with exact activations', ['-q', 'int8', '--activations', 'exact'], 'int8'],
  ['int8 by rows', ['-q', 'int8-channel'], 'int8'],
  ['int4', ['-q', 'int4'], 'int4'],
  ['int4 by rows', ['-q', 'int4-channel'], 'int4'],
] as const) {
  cli(`law: the class of a trace with ${title} is ${arithmetic}`, async () => {
    const out = join(folder, 'class.safetensors');
    assert.is((await runCommand([...base, '--out', out, ...args])).code, 0);
    assert.is(/"class":"([a-z0-9]+)"/.exec(readFileSync(out, 'latin1'))?.[1], arithmetic);
  });
}

cli(
  'law: --html shows the trace, with or without a file of it, in short on stdout too',
  async () => {
    const [out, html] = ['both.safetensors', 'page.html'].map((name) => join(folder, name));
    const only = await runCommand([...base, '--html', html]);
    const page = readFileSync(html, 'utf8');
    const both = await runCommand([...base, '--out', out, '--html', html]);
    assert.equal([only.code, both.code, only.stderr, both.stderr], [0, 0, '', '']);
    assert.is(readFileSync(html, 'utf8'), page);
    const { size } = readSafetensors(out);
    assert.is(both.stdout, `${out}: ${size} tensors of 3 tokens\n${only.stdout}`);
    const lines = only.stdout.trimEnd().split('\n');
    const names = lines.map((line) => /^(after|embedding|layer \d)/.exec(line)?.[1]);
    assert.equal(names, ['after', 'embedding', 'layer 0', 'layer 1', 'layer 2']);
    for (const id of ['layers', 'lens', 'attention', 'tokens']) {
      assert.ok(page.includes(`<section id="${id}"`), id);
    }
    const json = JSON.parse((await runCommand([...base, '--html', html, '--json'])).stdout);
    assert.equal(json, { html, input_ids: [1, 2, 3] });
  },
);

cli('law: --taps chooses what a report shows', async () => {
  const html = join(folder, 'taps.html');
  assert.is((await runCommand([...base, '--html', html, '--taps', '*.probs'])).code, 0);
  const page = readFileSync(html, 'utf8');
  assert.is(page.includes('<section id="lens"'), false);
  assert.ok(page.includes('<section id="attention"'));
});

cli('law: a report spells the tokens where the model has a tokenizer', async () => {
  const html = join(folder, 'words.html');
  const { code, stdout } = await runCommand(['trace', '-p', '夜雨寄北->', '--html', html]);
  assert.is(code, 0);
  // What `generate` says to this prompt, as the README shows.
  assert.match(stdout, /\nlayer 2 .* 李商隐 \d/);
  assert.ok(readFileSync(html, 'utf8').includes('<span class="token">夜</span>'));
});

cli('error: neither file nor report, an empty path, a folder that is not there', async () => {
  for (const [args, code, message] of [
    [[], 2, '--out: There is no file to write to.'],
    [['--out', ''], 2, '--out: There is no file to write to.'],
    [['--html', ''], 2, '--html: The path is empty.'],
    [['--html', join(folder, 'none', 'page.html')], 7, 'io-not-found'],
  ] as [string[], number, string][]) {
    const result = await runCommand([...base, ...args]);
    assert.equal([result.code, result.stdout], [code, '']);
    assert.match(result.stderr, message);
  }
  const before = readdirSync(folder);
  const html = join(folder, 'stopped.html');
  const stopped = await runCommand([...base, '--html', html], { signal: AbortSignal.abort() });
  assert.is(stopped.code, 130);
  assert.equal(readdirSync(folder), before);
});

cli('error: a report that would show nothing is refused', async () => {
  const before = readdirSync(folder);
  const html = join(folder, 'empty.html');
  const args = [...base, '--html', html, '--taps', 'input_ids'];
  const { code, stdout, stderr } = await runCommand(args);
  assert.equal([code, stdout], [3, '']);
  assert.match(stderr, 'trace-empty: ');
  assert.equal(readdirSync(folder), before);
});

cli('error: a failed or interrupted trace leaves an existing file and no debris', async () => {
  const out = join(folder, 'kept.safetensors');
  writeFileSync(out, 'old');
  const before = readdirSync(folder).length;
  const failed = await runCommand([...base, '--out', out, '--taps', 'nothing']);
  assert.is(failed.code, 2);
  const interrupted = await runCommand([...base, '--out', out], { signal: AbortSignal.abort() });
  assert.is(interrupted.code, 130);
  assert.is(interrupted.stderr, 'interrupted\n');
  assert.is(readdirSync(folder).length, before);
  assert.ok(existsSync(out));
});

cli.run();
