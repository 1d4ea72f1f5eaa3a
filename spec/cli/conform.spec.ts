/** `baichuan conform` as users and their programs see it: the kit, traces, servers, bad input. */

import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load, openModel } from '../../src/index.ts';
import { logProbabilities } from '../../src/verify/distribution.ts';
import { goldenPath, runCommand } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';
import { type Dialect, mockServer } from '../support/mock-server.ts';
import { contentOf } from '../support/model-files.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';
import { type NamedTensor, type NamedTensors, traceBytes } from '../support/traces.ts';

const cli = suite('conform command');
const root = mkdtempSync(join(tmpdir(), 'baichuan-conform-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

const kit = join(root, 'kit');
const emitted = await runCommand(['conform', '--emit', kit, '--max-length', '16', '--json']);
const NAMES = ['rope-32layers', 'alibi-40layers', 'alibi-40heads'];
const folder = join(kit, NAMES[0]);
const conform = (...args: string[]) => runCommand(['conform', ...args]);

/** A copy of the kit's first model in which the expected answers stand as those of a backend. */
function answered(name: string): string {
  const copy = join(root, name);
  cpSync(folder, copy, { recursive: true });
  cpSync(join(copy, 'expected'), join(copy, 'traces'), { recursive: true });
  cpSync(join(copy, 'expected/answers.json'), join(copy, 'answers.json'));
  return copy;
}

/** Changes the tensors of a recorded trace. */
function rewrite(path: string, change: (tensors: NamedTensors) => void): void {
  const tensors: NamedTensors = new Map();
  for (const [name, { shape, values }] of readSafetensors(new URL(`file://${path}`))) {
    tensors.set(name, { shape, values, dtype: name === 'input_ids' ? 'I64' : 'F32' });
  }
  change(tensors);
  writeFileSync(path, traceBytes(tensors));
}

cli('law: the kit has every model in every format, with the same numbers in all', async () => {
  assert.equal([emitted.code, JSON.parse(emitted.stdout)], [0, { out: kit, models: NAMES }]);
  for (const name of NAMES) {
    const files = readdirSync(join(kit, name)).sort();
    assert.equal(files, [
      ...['config.json', 'expected', 'generation_config.json', 'model.gguf', 'model.safetensors'],
      ...['pytorch_model.bin', 'requests.json', 'tokenizer.model', 'traces'],
    ]);
  }
  const contents = [];
  for (const file of ['model.safetensors', 'pytorch_model.bin', 'model.gguf']) {
    const opened = await openModel(join(folder, file));
    const content = await contentOf(opened.checkpoint);
    contents.push(Object.fromEntries(Object.entries(content).sort()));
    await opened.close();
  }
  const [safetensors, ...others] = contents;
  for (const other of others) assert.equal(other, safetensors);
});

cli('law: what is expected passes every claim', async () => {
  const { code, stdout } = await conform('--traces', answered('right'));
  assert.is(code, 0);
  assert.match(stdout, /\nPASS in class f32: 6 claims tested, 0 failed\n$/);
  assert.match(stdout, /^traces of /);
});

cli('law: --json has a verdict per claim and case', async () => {
  const { code, stdout } = await conform('--traces', join(root, 'right'), '--json');
  const report = JSON.parse(stdout);
  assert.equal([code, report.pass, report.class], [0, true, 'f32']);
  const names = report.claims.map(({ claim }: { claim: string }) => claim);
  assert.equal(names, ['tokenizer', 'chat', 'layers', 'logits', 'generation', 'determinism']);
});

cli('law: a kit without answers passes nothing', async () => {
  const { code, stdout } = await conform('--traces', folder);
  assert.is(code, 1);
  assert.match(stdout, /\ntokenizer +– +no answers.json with it\nchat/);
  assert.match(stdout, /\nFAIL in class f32: 0 claims tested, 0 failed\n$/);
});

cli('law: a layer with the wrong activation is found and named', async () => {
  const wrong = answered('wrong');
  rewrite(join(wrong, 'traces/layers.safetensors'), (tensors) => {
    const gate = tensors.get('model.layers.7.mlp.gate_proj.output');
    const values = Float32Array.from(gate?.values ?? [], (x) => Math.max(0, x));
    tensors.set('model.layers.7.mlp.act_fn.output', { shape: gate?.shape ?? [], values });
  });
  const page = join(root, 'page.html');
  const { code, stdout } = await conform('--traces', wrong, '--html', page);
  assert.is(code, 1);
  assert.match(stdout, /layers: parts at model\.layers\.7\.mlp\.act_fn\.output/);
  assert.match(stdout, /looks like activation-relu/);
  assert.match(stdout, /6 claims tested, 1 failed\n$/);
  const html = readFileSync(page, 'utf8');
  assert.match(html, />The first trace that parts: layers</);
  assert.match(html, /<code>activation-relu<\/code>/);
  const some = await conform('--traces', wrong, '--claims', 'tokenizer,logits');
  assert.is(some.code, 0);
  assert.match(some.stdout, /2 claims tested, 0 failed\n$/);
});

cli('law: --class and --max-length decide what passes', async () => {
  const coarse = answered('coarse');
  rewrite(join(coarse, 'traces/logits-2.safetensors'), (tensors) => {
    const { shape = [], values = [] } = tensors.get('logits') ?? {};
    tensors.set('logits', { shape, values: Float32Array.from(values, (x) => x * 1.002) });
  });
  const code = async (...args: string[]) =>
    (await conform('--traces', coarse, '--claims', 'logits', ...args)).code;
  assert.is(await code(), 1);
  assert.is(await code('--class', 'bf16'), 0);
  assert.is(await code('--max-length', '1'), 0);
});

cli('law: another scores row than the one asked for is seen', async () => {
  const shifted = answered('shifted');
  rewrite(join(shifted, 'traces/generation.safetensors'), (tensors) => {
    const { shape = [], values } = tensors.get('logits') ?? {};
    const rows = Float32Array.from(values ?? []);
    rows.copyWithin(0, shape[1]);
    tensors.set('logits', { shape, values: rows });
  });
  const { code, stdout } = await conform('--traces', shifted, '--claims', 'generation');
  assert.is(code, 1);
  assert.match(stdout, /after position \d+: expected token \d+, found \d+/);
});

const { name: golden } = GOLDENS[0];

cli('law: requests for a model of the user are made and answered apart from it', async () => {
  const out = join(root, 'own');
  const model = goldenPath(golden);
  const args = ['--max-length', '9', '--claims', 'layers,logits'];
  assert.is((await conform('--emit', out, '-m', model, ...args)).code, 0);
  const requests = JSON.parse(readFileSync(join(out, 'requests.json'), 'utf8'));
  mkdirSync(join(out, 'traces'));
  for (const { id, ids } of requests.prefills) {
    const path = join(out, 'traces', `${id}.safetensors`);
    const trace = ['trace', '-m', model, '--prompt-ids', ids.join(','), '--out', path];
    assert.is((await runCommand([...trace, '--kernels', 'reference'])).code, 0);
  }
  const { code, stdout } = await conform('--traces', out, '-m', model);
  assert.is(code, 0, stdout);
  assert.match(stdout, /2 claims tested, 0 failed\n$/);
  const other = await conform('--traces', out, '-m', goldenPath('rope-4heads'));
  assert.is(other.code, 2);
  assert.match(other.stderr, /trace-model: .*\/fingerprint/);
});

for (const dialect of ['llama.cpp', 'vllm'] as const) {
  cli(
    `law: a server that runs the model passes, one that is wrong does not (${dialect})`,
    async () => {
      for (const [shift, code] of [
        [0, 0],
        [1, 1],
      ]) {
        const { stdout, ...result } = await conformServer(dialect, shift);
        assert.is(result.code, code, stdout);
        assert.match(stdout, /\nlayers +– +a server shows no activations/);
        assert.match(
          stdout,
          code === 0 ? /3 claims tested, 0 failed/ : /3 claims tested, 2 failed/,
        );
      }
    },
  );
}

/** A run against a server that takes the last token for another one where `shift` says so. */
async function conformServer(dialect: Dialect, shift: number) {
  await using model = await load(goldenPath(golden));
  const { vocabSize } = model.config;
  const next = async (ids: readonly number[]) => {
    const last = (ids[ids.length - 1] + shift) % vocabSize;
    const { data } = await model.forward([...ids.slice(0, -1), last]);
    return logProbabilities(data.subarray(data.length - vocabSize));
  };
  const server = await mockServer(dialect, { vocabSize, next });
  try {
    return await conform('--server', server.url, '-m', goldenPath(golden), '--max-length', '6');
  } finally {
    await server.close();
  }
}

/** Two requests for a golden model, answered. */
const asked = join(root, 'asked');
const small = goldenPath(golden);
const two = ['--claims', 'logits', '--max-length', '2'];
await conform('--emit', asked, '-m', small, ...two);
mkdirSync(join(asked, 'traces'));
for (const { id, ids } of JSON.parse(readFileSync(join(asked, 'requests.json'), 'utf8')).prefills) {
  const out = join(asked, 'traces', `${id}.safetensors`);
  const taps = ['--taps', 'logits', '--taps', 'input_ids'];
  await runCommand(['trace', '-m', small, '--prompt-ids', ids.join(','), '--out', out, ...taps]);
}

/** Options for the same answers with a file changed. */
function spoiled(name: string, file: string, change: (path: string) => void): string[] {
  const copy = join(root, name);
  cpSync(asked, copy, { recursive: true });
  change(join(copy, file));
  return ['--traces', copy, '-m', small];
}
const [FIRST, LAST] = [1, 2].map((length) => `traces/logits-${length}.safetensors`);
const cut = (length: number) => (path: string) =>
  writeFileSync(path, readFileSync(path).subarray(0, length));
const writing = (text: string) => (path: string) => writeFileSync(path, text);
const tensorsWith = (name: string, tensor: NamedTensor) => (path: string) =>
  rewrite(path, (tensors) => tensors.set(name, tensor));
const otherIds = { shape: [2], values: Float64Array.of(1, 7), dtype: 'I64' } as const;

cli('law: the answers that are spoiled below pass as they are', async () => {
  assert.is((await conform('--traces', asked, '-m', small)).code, 0);
});

for (const [title, args, code, error] of [
  ['no backend', [], 2, 'option-value'],
  ['two backends', ['--traces', folder, '--server', 'http://x'], 2, 'option-value'],
  ['an empty path', ['--traces', ''], 2, 'option-value'],
  ['a word', ['traces'], 2, 'option-unknown'],
  ['an unknown claim', ['--traces', folder, '--claims', 'speed'], 2, 'option-value'],
  ['an unknown class', ['--traces', folder, '--class', 'f8'], 2, 'trace-class'],
  ['no time', ['--server', 'http://x', '--timeout', '0'], 2, 'option-value'],
  ['a limit for recorded traces', ['--traces', folder, '--timeout', '1'], 2, 'option-value'],
  ['a report of nothing', ['--emit', join(root, 'x'), '--html', 'y'], 2, 'option-value'],
  ['no length', ['--emit', join(root, 'x'), '--max-length', '0'], 2, 'option-value'],
  ['a folder that is not there', ['--traces', join(root, 'none')], 7, 'io-not-found'],
  ['a folder without requests', ['--traces', goldenPath(golden)], 7, 'io-not-found'],
  ['a kit that would be written over', ['--emit', kit], 7, 'io-not-a-file'],
  [
    'a key that is not set',
    ['--server', 'http://127.0.0.1:1', '--api-key-env', 'NO_KEY'],
    2,
    'option-value',
  ],
  ['no address', ['--server', 'x'], 2, 'server-url'],
  ['a server that is not there', ['--server', 'http://127.0.0.1:1'], 7, 'server-unreachable'],
  [
    'no module for a GGUF file',
    ['--gguf', join(folder, 'model.gguf'), '--project', root],
    4,
    'backend-missing',
  ],
  ['requests that are no JSON', spoiled('a', 'requests.json', writing('{')), ...[3, 'json-syntax']],
  [
    'answers of another shape',
    spoiled('b', 'answers.json', writing('{"texts": 1}')),
    ...[3, 'conform-answers'],
  ],
  ['a first trace that is cut', spoiled('c', FIRST, cut(100)), 3, 'safetensors-header-length'],
] as const satisfies [string, readonly string[], number, string][]) {
  cli(`error: ${title}`, async () => {
    const result = await conform(...args);
    assert.equal([result.code, result.stdout], [code, '']);
    assert.match(result.stderr, new RegExp(`(^|\n)${error}: `));
  });
}

const scores = (rows: number, V: number) =>
  tensorsWith('logits', { shape: [rows, V], values: new Float32Array(rows * V) });
for (const [title, spoil, error] of [
  ['a truncated trace', cut(100), 'safetensors-header-length'],
  ['a trace that is empty', cut(0), 'safetensors-short'],
  ['a trace of another prompt', tensorsWith('input_ids', otherIds), 'trace-prompt'],
  ['a trace of another vocabulary', scores(1, 3), 'trace-vocabulary'],
  ['a trace of too many rows', scores(7, 96), 'trace-shape'],
] as const) {
  cli(`law: ${title} fails its own case, and the others are judged`, async () => {
    const { code, stdout } = await conform(...spoiled(error, LAST, spoil));
    assert.is(code, 1);
    assert.match(stdout, new RegExp(`\nlogits +FAIL +1 of 2\n  logits-2: ${error}: `));
  });
}

cli('error: an interrupted run leaves no half a file', async () => {
  const out = join(root, 'stopped');
  const result = await runCommand(['conform', '--emit', out], { signal: AbortSignal.abort() });
  assert.equal([result.code, result.stderr], [130, 'interrupted\n']);
  assert.equal(existsSync(out) ? readdirSync(out) : [], []);
});

cli.run();
