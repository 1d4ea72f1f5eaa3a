/** `baichuan compare` as users and their programs see it. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';
import { goldenTensors, type NamedTensor, traceBytes } from '../support/traces.ts';

const cli = suite('compare command');
const folder = mkdtempSync(join(tmpdir(), 'baichuan-compare-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const [golden] = GOLDENS;
const model = goldenPath(golden.name);
const tensors = goldenTensors(golden);
const ids = [...(tensors.get('input_ids')?.values ?? [])];
const expected = join(folder, 'expected.safetensors');
await runCommand(['trace', '-m', model, '--prompt-ids', ids.join(','), '--out', expected]);

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const found = write('found.safetensors', traceBytes(tensors));
const NAME = 'model.layers.1.mlp.act_fn.output';
const { shape, values } = tensors.get(NAME) as NamedTensor;
const relu = Float32Array.from(
  tensors.get('model.layers.1.mlp.gate_proj.output')?.values ?? [],
  (x) => Math.max(0, x),
);
const broken = write(
  'broken.safetensors',
  traceBytes(new Map([...tensors, [NAME, { shape, values: relu }]])),
);

cli('golden: PyTorch passes, against a trace and against the model', async () => {
  for (const args of [
    [expected, found],
    ['--model', model, found],
    [expected, found, '--model', model],
  ]) {
    const { code, stdout, stderr } = await runCommand(['compare', ...args]);
    assert.equal([code, stderr], [0, '']);
    assert.match(stdout, /PASS in class f32: \d+ tensors compared, 0 beyond, 0 missing\n$/);
  }
});

cli('law: the JSON has verdict, class, first difference, tensors and diagnosis', async () => {
  const { code, stdout } = await runCommand(['compare', expected, broken, '--json']);
  assert.is(code, 1);
  const report = JSON.parse(stdout);
  assert.equal(Object.keys(report), ['pass', 'class', 'first', 'tensors', 'diagnosis', 'notes']);
  assert.equal([report.pass, report.class], [false, 'f32']);
  assert.equal(Object.keys(report.first), [
    ...['name', 'position', 'head', 'channel', 'expected', 'found'],
  ]);
  assert.is(report.first.name, NAME);
  assert.is(report.first.found, relu[report.first.position * shape[1] + report.first.channel]);
  assert.ok(Math.abs(report.first.expected - values[report.first.channel]) < 1);
  assert.is(report.tensors.length, 50);
  const row = report.tensors.find(({ name }: { name: string }) => name === NAME);
  assert.is(row.status, 'beyond');
  assert.ok(row.max_abs > 0 && row.max_relative > row.bar && row.nmse > 0 && row.cosine < 1);
  const { logits } = report.tensors.at(-1);
  assert.ok(logits.kl_mean < 1e-9 && logits.top1_agreement === 1 && logits.perplexity_found > 1);
});

cli('law: numbers that JSON does not have are texts', async () => {
  const nan = Float32Array.from(values).fill(Number.NaN, 0, 1);
  const path = write(
    'nan.safetensors',
    traceBytes(new Map([...tensors, [NAME, { shape, values: nan }]])),
  );
  const { code, stdout } = await runCommand(['compare', expected, path, '--json']);
  assert.is(code, 1);
  const report = JSON.parse(stdout);
  assert.equal([report.first.found, report.first.position, report.first.channel], ['NaN', 0, 0]);
});

cli('law: the text names the first difference and the bug it looks like', async () => {
  // Only the layers' own activation is exchanged, so what follows it does not fit to any bug.
  const { stdout } = await runCommand(['compare', '--model', model, broken]);
  assert.match(stdout, /\nFAIL in class f32: \d+ tensors compared, 2 beyond, 0 missing\n/);
  assert.match(stdout, new RegExp(`\nfirst: ${NAME.replaceAll('.', '\\.')}, position 0, channel`));
  assert.match(
    stdout,
    /\nlooks like activation-relu \(\d+\.\d %\): ReLU is used instead of SiLU\./,
  );
});

cli('law: --short has a line per layer, for its worst tensor, and the same verdict', async () => {
  const long = (await runCommand(['compare', expected, broken])).stdout.split('\n');
  const { stdout, code } = await runCommand(['compare', expected, broken, '--short']);
  const lines = stdout.split('\n');
  assert.is(code, 1);
  const names = lines.slice(1, 6).map((line) => line.split(/ {2,}/)[0]);
  assert.equal(names, ['embedding', 'layer 0', 'layer 1', 'layer 2', 'head']);
  assert.match(lines[3], /^layer 1 +mlp\.act_fn\.output .*█│█.* beyond$/);
  for (const line of [lines[2], lines[4]]) assert.match(line, /[█·]│·{6}$/);
  const isVerdict = (line: string) => /^(logits:|FAIL|first:|looks like)/.test(line);
  assert.ok(long.filter(isVerdict).length >= 3);
  assert.equal(lines.filter(isVerdict), long.filter(isVerdict));
});

cli('law: --class decides how far is too far', async () => {
  const near = Float32Array.from(values, (x) => x * 1.004);
  const path = write(
    'near.safetensors',
    traceBytes(new Map([...tensors, [NAME, { shape, values: near }]])),
  );
  const code = async (...args: string[]) => (await runCommand(['compare', ...args])).code;
  assert.is(await code(expected, path), 1);
  assert.is(await code(expected, path, '--class', 'bf16'), 0);
  assert.is(await code('--model', model, path), 1);
  assert.is(await code('--model', model, path, '--class', 'bf16'), 0);
});

for (const { name } of GOLDENS.slice(0, 3)) {
  cli(
    `law: the quantized engine is within its own class, and not within f32 (${name})`,
    async () => {
      const [exact, quantized] = ['exact', 'quantized'].map((leaf) => join(folder, leaf));
      const trace = ['trace', '-m', goldenPath(name), '--prompt-ids', '5,77,9,31,12,40,7,3,66'];
      assert.is((await runCommand([...trace, '--out', exact])).code, 0);
      for (const type of ['int8', 'int4', 'int8-channel', 'int4-channel']) {
        assert.is((await runCommand([...trace, '--out', quantized, '-q', type])).code, 0);
        const arithmetic = type.replace('-channel', '');
        const code = async (...args: string[]) => (await runCommand(['compare', ...args])).code;
        assert.is(await code(exact, quantized, '--class', arithmetic), 0, type);
        assert.is(await code('-m', goldenPath(name), quantized, '--class', arithmetic), 0, type);
        assert.is(await code(exact, quantized, '--class', 'f32'), 1, type);
        // What is judged does not choose its own bars, but may say which ones it is made for.
        const told = await runCommand(['compare', '-m', goldenPath(name), quantized]);
        assert.is(told.code, 1, type);
        assert.match(told.stdout, new RegExp(`\\nnote: FOUND .*: --class ${arithmetic} `));
      }
    },
  );
}

cli('law: --taps chooses what is compared', async () => {
  const json = async (...args: string[]) =>
    JSON.parse((await runCommand(['compare', expected, broken, '--json', ...args])).stdout);
  const report = await json('--taps', 'layers.0.*', '--taps', 'logits');
  assert.ok(report.pass);
  assert.is(report.tensors.at(-1).name, 'logits');
  assert.is(report.tensors.length, 16);
});

cli('law: a trace says which model, prompt, class, version and runtime it is of', () => {
  const bytes = readFileSync(expected);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata } = JSON.parse(bytes.subarray(8, 8 + length).toString());
  assert.equal(JSON.parse(metadata.prompt_ids), ids);
  assert.equal([metadata.class, metadata.architecture], ['f32', golden.config.architecture]);
  assert.match(metadata.fingerprint, /^[0-9a-f]{64}$/);
  assert.match(metadata.version, /^\d+\.\d+\.\d+/);
  assert.match(metadata.runtime, /^(node|deno|bun) \d/);
  assert.is(JSON.parse(metadata.config).hidden_size, golden.config.hiddenSize);
});

cli(
  'law: --html writes a report beside what is printed, and changes neither it nor the code',
  async () => {
    const html = join(folder, 'report.html');
    for (const [code, ...args] of [
      [0, expected, found],
      [1, expected, broken],
      [1, '--model', model, broken],
      [1, expected, broken, '--json'],
    ] as [number, ...string[]][]) {
      const plain = await runCommand(['compare', ...args]);
      const { stdout, ...result } = await runCommand(['compare', ...args, '--html', html]);
      assert.equal([result.code, stdout, result.stderr], [code, plain.stdout, plain.stderr]);
      const page = readFileSync(html, 'utf8');
      assert.ok(page.includes(`<div class="word">${code === 0 ? 'PASS' : 'FAIL'}</div>`));
      assert.is(page.includes('activation-relu'), code === 1);
      rmSync(html);
    }
  },
);

cli(
  'error: a report that cannot be written costs no work, and none is left half done',
  async () => {
    const html = join(folder, 'none', 'report.html');
    const missing = await runCommand(['compare', expected, found, '--html', html]);
    assert.equal([missing.code, missing.stdout], [7, '']);
    const empty = await runCommand(['compare', expected, found, '--html', '']);
    assert.equal([empty.code, empty.stdout], [2, '']);
    assert.match(empty.stderr, '--html: The path is empty.');
    const before = readdirSync(folder);
    const target = ['--html', join(folder, 'report.html')];
    const wrong = await runCommand(['compare', expected, other, ...target]);
    const signal = AbortSignal.abort();
    const stopped = await runCommand(['compare', expected, found, ...target], { signal });
    assert.equal([wrong.code, stopped.code], [2, 130]);
    assert.equal(readdirSync(folder), before);
  },
);

cli('law: the fingerprint is that of the weights, not of their file', async () => {
  const fingerprint = async (source: string) => {
    const out = join(folder, 'fingerprint.safetensors');
    await runCommand(['trace', '-m', source, '--prompt-ids', '5,7', '--out', out]);
    return /"fingerprint":"([0-9a-f]+)"/.exec(readFileSync(out, 'latin1'))?.[1];
  };
  const same = await fingerprint(model);
  assert.is(await fingerprint(`${model}/model.safetensors`), same);
  assert.is.not(await fingerprint(goldenPath('rope-4heads')), same);
});

const other = join(folder, 'other.safetensors');
await runCommand([
  'trace',
  '-m',
  goldenPath('rope-4heads'),
  '--prompt-ids',
  ids.join(','),
  '--out',
  other,
]);
const prompt = join(folder, 'prompt.safetensors');
await runCommand(['trace', '-m', model, '--prompt-ids', '5,7,9', '--out', prompt]);
const truncated = write('truncated.safetensors', readFileSync(expected).subarray(0, 9000));
const foreign = write(
  'foreign.safetensors',
  traceBytes(
    new Map([
      ...tensors,
      ['input_ids', { shape: [17], values: Float64Array.from(ids, () => 96), dtype: 'I64' }],
    ]),
  ),
);
const unknown = new Map(tensors);
unknown.delete('input_ids');
const unprompted = write('unprompted.safetensors', traceBytes(unknown));

for (const [title, args, code, error] of [
  ['one file without a model', [found], 2, 'option-value'],
  ['three files', [found, found, found], 2, 'option-value'],
  ['two files that are three with a model', ['-m', model, found, found, found], 2, 'option-value'],
  ['no file', [], 2, 'option-value'],
  ['an unknown class', [expected, found, '--class', 'f8'], 2, 'trace-class'],
  ['a tap that chooses nothing', [expected, found, '--taps', 'nothing'], 2, 'option-value'],
  ['another model', [expected, other], 2, 'trace-model'],
  ['another prompt', [expected, prompt], 2, 'trace-prompt'],
  ['a truncated file', [expected, truncated], 3, 'safetensors-truncated'],
  ['a file that is not there', [expected, join(folder, 'none')], 7, 'io-not-found'],
  ['a folder', [expected, folder], 7, 'io-not-a-file'],
  ['a checkpoint', [expected, join(model, 'model.safetensors')], 3, 'trace-empty'],
  ['a trace of another model than --model', ['-m', model, other], 2, 'trace-model'],
  ['ids that the model does not have', ['-m', model, foreign], 2, 'trace-vocabulary'],
  ['a trace without its prompt', ['-m', model, unprompted], 2, 'trace-prompt'],
] as const) {
  cli(`error: ${title} ends with ${code}`, async () => {
    const result = await runCommand(['compare', ...args, '--json']);
    assert.is(result.stdout, '');
    assert.is(JSON.parse(result.stderr).error.code, error, result.stderr);
    assert.is(result.code, code);
  });
}

cli('error: an interrupted comparison ends with 130', async () => {
  const signal = AbortSignal.abort();
  for (const args of [
    [expected, found],
    ['-m', model, found],
  ]) {
    assert.is((await runCommand(['compare', ...args], { signal })).code, 130);
  }
});

cli.run();
