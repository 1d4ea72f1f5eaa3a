/** The built program as a process: signals, closed pipes, no terminal, standard input. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath } from '../support/command.ts';

const cli = suite('process');
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
// Greedy decoding of this model from this token runs on for thousands of tokens.
const MODEL = goldenPath('rope-4heads');
const ENDLESS = ['generate', '-m', MODEL, '--prompt-ids', '9', '-n', '1000000', '--greedy'];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Collects the streams of a process until it ends. */
function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function run(args: readonly string[], stdin: string | Uint8Array = ''): Promise<Ended> {
  const child = start(args);
  child.stdin?.end(stdin);
  return ended(child);
}

/** How long a command may take to end once it was told to: without the signal it never would. */
const SOON_MS = 5000;

/** Waits until a command that says nothing has surely begun to wait for its input. */
async function untilStarted(): Promise<void> {
  const begin = performance.now();
  await run(['--version']);
  const startMs = performance.now() - begin;
  await new Promise((resolve) => setTimeout(resolve, Math.max(1500, 5 * startMs)));
}

/** Waits until there is a file in a folder, of a command that still runs. */
async function untilWriting(folder: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null && readdirSync(folder).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Resolves when a process has printed something. */
function firstOutput(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.stdout?.once('data', () => resolve()));
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  cli(`law: ${signal} ends a generation with exit code 130, the tokens so far kept`, async () => {
    const child = start(ENDLESS);
    const end = ended(child);
    await firstOutput(child);
    const sent = performance.now();
    child.kill(signal);
    const { code, stdout, stderr } = await end;
    assert.is(code, 130);
    assert.ok(performance.now() - sent < SOON_MS);
    assert.match(stdout, /^\d+(,\d+)*\n$/);
    assert.is(stderr.trim().split('\n').at(-1), 'interrupted');
  });
}

for (const args of [
  ['generate', '-f', '-'],
  ['tokenize', '--jsonl'],
]) {
  cli(`law: Ctrl-C ends ${args.join(' ')} that waits for standard input`, async () => {
    const child = start(args);
    const end = ended(child);
    await untilStarted();
    const sent = performance.now();
    child.kill('SIGINT');
    const { code, stdout, stderr } = await end;
    assert.is(code, 130, stderr);
    assert.ok(performance.now() - sent < SOON_MS);
    assert.is(stdout, '');
    assert.is(stderr, 'interrupted\n');
  });
}

cli('law: Ctrl-C ends a long trace soon, and leaves no file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'baichuan-process-'));
  const ids = Array.from({ length: 4000 }, (_, i) => i % 90).join(',');
  const out = join(folder, 'trace.safetensors');
  const child = start(['trace', '-m', MODEL, '--prompt-ids', ids, '--out', out]);
  const end = ended(child);
  await untilWriting(folder, child);
  const sent = performance.now();
  child.kill('SIGINT');
  const { code, stderr } = await end;
  assert.is(code, 130, stderr);
  assert.ok(performance.now() - sent < SOON_MS);
  assert.equal(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

cli('law: a prompt may come from a pipe or a device as well as from a file', async () => {
  const script = 'exec "$0" "$1" tokenize -f <(echo 夜雨寄北)';
  const { code, stdout } = await ended(spawn('bash', ['-c', script, process.execPath, MAIN]));
  assert.is(code, 0);
  assert.is((await run(['tokenize', '-p', '夜雨寄北'])).stdout, stdout);
  assert.is((await run(['generate', '-f', '/dev/null'])).code, 2);
  const asPath = await run(['generate', '-f', '/']);
  const asInput = await ended(
    spawn('bash', ['-c', 'exec "$0" "$1" generate -f - < /', process.execPath, MAIN]),
  );
  for (const folder of [asPath, asInput]) {
    assert.is(folder.code, 7, folder.stderr);
    assert.match(folder.stderr, /^io-/);
  }
});

cli('law: a reader that goes away ends the program quietly', async () => {
  const child = start(ENDLESS);
  const end = ended(child);
  await firstOutput(child);
  child.stdout?.destroy();
  const { code, stderr } = await end;
  assert.is(code, 0);
  assert.not.match(stderr, /Error|at /);
});

cli('law: an open standard input that is not used does not keep the program alive', async () => {
  const child = start(['inspect', '--preset', 'baichuan-7b']);
  const { code, stdout } = await ended(child);
  child.stdin?.destroy();
  assert.is(code, 0);
  assert.match(stdout, /7000559616/);
});

cli(
  'law: a Chinese prompt on standard input is read as UTF-8, its last line end left out',
  async () => {
    const text = '登鹳雀楼->王之涣\n夜雨寄北->';
    const { code, stdout } = await run(['tokenize', '-f', '-'], `${text}\n`);
    assert.is(code, 0);
    const back = await run(['detokenize', stdout.trim()]);
    assert.is(back.stdout, `${text}\n`);
    assert.is((await run(['tokenize', '-p', text])).stdout, stdout);
  },
);

cli('error: standard input that is not UTF-8', async () => {
  const { code, stderr } = await run(['tokenize', '-f', '-'], Uint8Array.of(0x41, 0xff, 0x42));
  assert.is(code, 2);
  assert.match(stderr, /^text-encoding: stdin: The text is not UTF-8\. Convert it/);
});

cli('law: JSON lines go through in order, whatever the chunks of the pipe', async () => {
  const texts = Array.from({ length: 3000 }, (_, i) => `第${i}行 line ${i} 🙂\u2028`);
  const lines = texts.map((text) => JSON.stringify(text)).join('\n');
  const encoded = await run(['tokenize', '--jsonl'], lines);
  assert.is(encoded.code, 0);
  const decoded = await run(['detokenize', '--jsonl'], encoded.stdout);
  assert.equal(
    decoded.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    texts,
  );
});

cli('error: a bad line is named by its number, the lines before it answered', async () => {
  for (const [bad, what] of [
    ['{"text"', 'not JSON'],
    ['5', 'a JSON string is needed'],
  ]) {
    const { code, stdout, stderr } = await run(['tokenize', '--jsonl'], `"a"\n\n${bad}\n"b"\n`);
    assert.is(code, 2);
    assert.is(stdout.trimEnd().split('\n').length, 1);
    assert.match(stderr, new RegExp(`^input-line: stdin: line 3: .*${what}.*Correct it`));
  }
  const ids = await run(['detokenize', '--jsonl'], '[1,"2"]\n');
  assert.is(ids.code, 2);
  assert.match(ids.stderr, /^input-line: stdin: line 1: .*list of token ids/);
});

/** Runs a command under a limit that a shell sets, or with options of V8. */
function runLimited(limit: string, flags: readonly string[], args: readonly string[]) {
  const command = `${limit}; exec "$0" "$@"`;
  const program = [process.execPath, ...flags, MAIN, ...args];
  return ended(spawn('sh', ['-c', command, ...program], { stdio: ['ignore', 'pipe', 'pipe'] }));
}

const GREEDY = ['generate', '-m', MODEL, '--prompt-ids', '9', '-n', '8', '--greedy'];

// Other systems do not hold a process to this limit.
if (process.platform === 'linux') {
  cli(
    'error: F13 with little address space a model runs or is refused, never aborted',
    async () => {
      const free = await run(GREEDY);
      assert.is(free.code, 0, free.stderr);
      for (const kibibytes of [8_000_000, 100_000_000]) {
        const limited = await runLimited(`ulimit -v ${kibibytes}`, [], GREEDY);
        if (limited.code === 0) {
          assert.is(limited.stdout, free.stdout);
          continue;
        }
        assert.ok(kibibytes < 100_000_000, `${kibibytes} KiB are enough: ${limited.stderr}`);
        assert.is(limited.code, 6, limited.stderr);
        assert.match(limited.stderr, /^out-of-memory: .* There is not enough memory for it\. Free/);
      }
    },
  );
}

cli('law: F13 a model needs next to nothing of the heap', async () => {
  const free = await run(GREEDY);
  const { code, stdout } = await runLimited(':', ['--max-old-space-size=24'], GREEDY);
  assert.equal([code, stdout], [0, free.stdout]);
});

cli.run();
