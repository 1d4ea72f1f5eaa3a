/** Every option of `baichuan generate` changes what comes out, as it must. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { goldenPath, runCommand } from '../support/command.ts';

const cli = suite('generate command');

const BASE = ['generate', '-m', goldenPath('rope-4heads'), '--prompt-ids', '5,77,9', '-n', '12'];
const SAMPLED = ['--temperature', '4', '--seed', '3'];

async function generated(...args: string[]) {
  const { code, stdout, stderr } = await runCommand([...BASE, ...args, '--json']);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
}
const tokens = async (...args: string[]) => (await generated(...args)).output_ids.join();

/** Options beside SAMPLED, and a value of each that must give other tokens. */
const SAMPLING: [string, string][] = [
  ['--seed', '4'],
  ['--temperature', '0.5'],
  ['--top-k', '2'],
  ['--top-p', '0.2'],
  ['--min-p', '0.7'],
  ['--repetition-penalty', '50'],
];

cli('law: the same line gives the same tokens again', async () => {
  assert.is(await tokens(...SAMPLED), await tokens(...SAMPLED));
});

for (const [option, value] of SAMPLING) {
  cli(`law: ${option} changes the tokens that are sampled`, async () => {
    const at = SAMPLED.indexOf(option);
    const changed = at < 0 ? [...SAMPLED, option, value] : SAMPLED.with(at + 1, value);
    assert.is.not(await tokens(...changed), await tokens(...SAMPLED));
  });
}

cli('law: --greedy beats the sampling options, as temperature 0 does', async () => {
  const greedy = await tokens('--greedy');
  assert.is(await tokens(...SAMPLED, '--greedy'), greedy);
  assert.is(await tokens('--temperature', '0'), greedy);
  assert.is.not(await tokens(...SAMPLED), greedy);
});

cli('law: -n limits the tokens, and --top-k 1 is greedy', async () => {
  const { output_ids, finish_reason, prompt_ids, text } = await generated(
    '-c',
    '15',
    '--top-k',
    '1',
  );
  assert.equal([output_ids.length, finish_reason, text], [12, 'length', null]);
  assert.equal(prompt_ids, [5, 77, 9]);
  assert.is(output_ids.join(), await tokens('--greedy'));
});

cli(
  'law: --logprobs gives the token and as many of the likeliest, on stderr without --json',
  async () => {
    const { logprobs, output_ids } = await generated('--greedy', '--logprobs', '3');
    assert.is(logprobs.length, output_ids.length);
    for (const [step, { id, logprob, top }] of logprobs.entries()) {
      assert.is(id, output_ids[step]);
      assert.is(top.length, 3);
      assert.equal(top[0], { id, logprob });
    }
    const { stdout, stderr } = await runCommand([...BASE, '--greedy', '--logprobs', '1']);
    assert.is(stdout, `${output_ids.join(',')}\n`);
    assert.is(stderr.split('\n').filter((line) => line.includes(' | ')).length, output_ids.length);
    assert.is((await generated('--greedy')).logprobs, undefined);
  },
);

cli(
  'law: --chat puts the message between role tokens, --stop ends the text before it',
  async () => {
    const run = async (...args: string[]) =>
      JSON.parse((await runCommand(['generate', '-p', '夜雨寄北', ...args, '--json'])).stdout);
    const chat = await run('--chat');
    assert.equal([chat.prompt_ids[0], chat.prompt_ids.at(-1)], [195, 196]);
    assert.is(chat.text, '李商隐');
    assert.not.equal((await run()).prompt_ids, chat.prompt_ids);
    const stopped = await run('--chat', '--stop', 'xyz', '隐');
    assert.equal([stopped.text, stopped.stop_string], ['李商', '隐']);
  },
);

cli('law: values that are the only ones of this version change nothing', async () => {
  const args = ['--kernels', 'reference', '-q', 'none', '--kv', 'f32', '--activations', 'exact'];
  const all = [...args, '--simd', 'auto', '-t', '1'];
  assert.is(await tokens('--greedy', ...all), await tokens('--greedy'));
});

cli('law: a backslash and an n in a prompt give a notice, a line end gives none', async () => {
  assert.match((await runCommand(['generate', '-p', 'a\\nb'])).stderr, /^notice: .*backslash/);
  assert.is((await runCommand(['generate', '-p', 'a\nb'])).stderr, '');
});

cli.run();
