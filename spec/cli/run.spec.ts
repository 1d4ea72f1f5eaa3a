/** The command line as a whole: help, exit codes, and what goes to which stream. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMANDS } from '../../src/cli/run.ts';
import { goldenPath, runCommand } from '../support/command.ts';

const cli = suite('command line');

cli('law: --help of every command names every option and an example, on stdout', async () => {
  const overview = await runCommand(['--help']);
  assert.is(overview.code, 0);
  assert.is(overview.stderr, '');
  for (const { name, options, examples } of COMMANDS) {
    assert.match(overview.stdout, new RegExp(`^ {2}${name} `, 'm'));
    for (const args of [
      [name, '--help'],
      [name, '-h'],
      ['help', name],
    ]) {
      const { code, stdout, stderr } = await runCommand(args);
      assert.is(code, 0);
      assert.is(stderr, '');
      for (const option of options) assert.ok(stdout.includes(`--${option.name}`));
      assert.ok(stdout.includes(examples[0]));
    }
  }
});

cli(
  'law: --help asks for help even beside a mistake, but not as the value of an option',
  async () => {
    assert.is((await runCommand(['generate', '--bogus', '--help'])).code, 0);
    const { stdout } = await runCommand(['tokenize', '-p', '--help']);
    assert.not.match(stdout, /Usage/);
  },
);

cli('law: no command shows the overview on stderr and is a usage error', async () => {
  const { code, stdout, stderr } = await runCommand([]);
  assert.is(code, 2);
  assert.is(stdout, '');
  assert.match(stderr, /^Baichuan-7B and Baichuan-13B/);
});

cli('law: --version is that of the package', async () => {
  const { code, stdout } = await runCommand(['--version']);
  assert.is(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

/** Arguments, exit code, code of the error. */
const FAULTS: [string[], number, string][] = [
  [['sing'], 2, 'option-unknown'],
  [['generate', '--bogus'], 2, 'option-unknown'],
  [['generate'], 2, 'option-value'],
  [['generate', '-p', 'a', '-f', 'b'], 2, 'option-value'],
  [['generate', 'a'], 2, 'option-unknown'],
  [['generate', '--prompt-ids', '1,x'], 2, 'option-value'],
  [['generate', '--prompt-ids', ''], 2, 'prompt-empty'],
  [['generate', '--prompt-ids', '1', '--chat'], 2, 'option-value'],
  [['generate', '--prompt-ids', '99999'], 2, 'token-id'],
  [['generate', '-p', 'a', '--temperature', '-1'], 2, 'generation-option'],
  [['generate', '-p', 'a', '-n', '0'], 2, 'generation-option'],
  [['generate', '-p', 'a', '-n', '1.5'], 2, 'generation-option'],
  [['generate', '-p', 'a', '--seed', '-1'], 2, 'generation-option'],
  [['generate', '-p', 'a', '--stop', ''], 2, 'generation-option'],
  [['generate', '-p', 'a', '-m', ''], 2, 'option-value'],
  [['generate', '-p', 'a', '-m', '/nowhere/at/all'], 7, 'io-not-found'],
  [['generate', '-p', 'a', '-m', goldenPath('rope-4heads')], 3, 'directory-missing'],
  [['generate', '-p', 'a', '--kernels', 'gpu'], 2, 'option-value'],
  [['generate', '-p', 'a', '-q', 'int3'], 2, 'option-value'],
  [['generate', '-p', 'a', '-c', '0'], 2, 'option-value'],
  [['generate', '-p', 'a', '-c', '3', '-n', '8'], 6, 'context-length'],
  [['generate', '-f', '/nowhere/at/all'], 7, 'io-not-found'],
  [['trace', '--prompt-ids', '1'], 2, 'option-value'],
  [['trace', '--prompt-ids', '1', '--out', '/nowhere/at/all.safetensors'], 7, 'io-not-found'],
  [['trace', '--prompt-ids', '1', '--out', '/tmp/never', '--taps', 'nothing'], 2, 'option-value'],
  [['inspect', '--preset', 'baichuan-3b'], 2, 'option-value'],
  [['inspect', '-c', '0'], 2, 'option-value'],
  [['detokenize'], 2, 'option-value'],
  [['detokenize', '1,-2'], 2, 'option-value'],
  [['detokenize', '999999'], 2, 'token-id'],
  [['tokenize', '-p', 'a', '--tokenizer', goldenPath('rope-4heads')], 3, 'directory-missing'],
];

for (const [args, expectedCode, errorCode] of FAULTS) {
  const line = args.map((arg) => arg.replace(/^.*\/(?=.)/, '')).join(' ');
  cli(`error: baichuan ${line} exits ${expectedCode} with ${errorCode}`, async () => {
    const { code, stdout, stderr } = await runCommand(args);
    assert.is(code, expectedCode, stderr);
    assert.is(stdout.trim(), '');
    const [message] = stderr.trimEnd().split('\n').slice(-1);
    assert.ok(message.startsWith(`${errorCode}: `), stderr);
    assert.match(message, /\.$/);
  });

  cli(`error: baichuan ${line} --json gives the error as JSON on stderr`, async () => {
    const { code, stdout, stderr } = await runCommand([...args, '--json']);
    assert.is(code, expectedCode);
    assert.is(stdout, '');
    const { error } = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
    assert.is(error.code, errorCode);
    assert.type(error.fix, 'string');
    assert.type(error.where ?? error.file, 'string');
  });
}

cli('law: with --json every line of standard error is a JSON value, notices too', async () => {
  const args = ['generate', '-p', 'a\\nb', '-n', '1', '--json'];
  const { stderr } = await runCommand(args);
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(lines.some(({ event, notice }) => event === 'notice' && /backslash/.test(notice)));

  const signal = AbortSignal.abort();
  const stopped = await runCommand(['generate', '-p', 'a', '--json'], { signal });
  assert.is(stopped.code, 130);
  const { error } = JSON.parse(stopped.stderr.trimEnd().split('\n').at(-1) ?? '');
  assert.equal([error.code, error.fix], ['aborted', 'Run it again to finish.']);
});

cli('error: a defect of the program is no failed check', async () => {
  const onPrint = () => {
    throw new Error('broken');
  };
  const { code, stderr } = await runCommand(['--version'], { onPrint });
  assert.is(code, 70);
  assert.match(stderr, /^internal-error: .*defect[\s\S]*broken[\s\S]*report/);
});

cli('error: bad input prints no control characters of its own', async () => {
  const { stderr } = await runCommand(['generate', '--\u001b[31mred\u0007']);
  assert.ok(
    [...stderr.trimEnd()].every((character) => character >= ' '),
    stderr,
  );
});

cli.run();
