/** The fuzzer finds what is broken, says under which seed, and finds it again. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FUZZ_TARGETS as BROKEN } from '../support/fuzz/broken-targets.ts';
import { runChunk } from '../support/fuzz/campaign.ts';
import { FUZZ_TARGETS } from '../support/fuzz/targets.ts';

const fuzzer = suite('tooling/fuzz');

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const targets = new Map(BROKEN.map(({ target }) => [target.name, target]));

function run(...args: string[]) {
  const options = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 } as const;
  return spawnSync(process.execPath, ['.scripts/fuzz.mjs', ...args], options);
}

const OF_BROKEN = ['--table', 'spec/support/fuzz/broken-targets.ts'];

fuzzer('law: every push runs 30,000 cases and more, of targets of different names', () => {
  const total = FUZZ_TARGETS.reduce((sum, { cases }) => sum + cases, 0);
  assert.ok(total >= 30_000, `${total} cases`);
  assert.is(new Set(FUZZ_TARGETS.map(({ target }) => target.name)).size, FUZZ_TARGETS.length);
});

const FAULTS: [name: string, error: RegExp, smallest: number[]][] = [
  ['other-error', /I1: no BaichuanError, but RangeError: Invalid array length/, [100]],
  ['other-in-blocks', /I5, I6: the same in other blocks/, [100]],
  ['no-remedy', /is no imperative sentence/, [0]],
  ['writes', /the file in memory was changed/, [1]],
  ['read-otherwise', /I7: another reader differs/, [0, 0, 0, 0]],
];

for (const [name, error, smallest] of FAULTS) {
  fuzzer(`error: ${name} is found, made as small as can be, and found again`, async () => {
    const target = targets.get(name) ?? BROKEN[0].target;
    const { finding } = await runChunk(target, { seed: 7, cases: 300 });
    if (finding === undefined) throw new Error('nothing was found');
    assert.match(finding.error, error);
    assert.equal([...finding.bytes], smallest);
    const { seed, path } = finding;
    const again = await runChunk(target, { seed, cases: 1, path });
    assert.equal([...(again.finding?.bytes ?? [])], smallest);
    assert.is(again.cases, 1);
  });
}

fuzzer('law: a sound target gives its counts, the same for the same seed', async () => {
  const target = targets.get('sound') ?? BROKEN[1].target;
  const first = await runChunk(target, { seed: 3, cases: 200 });
  assert.is(first.finding, undefined);
  assert.is(first.accepted + first.refused['io-magic'], 200);
  assert.equal(await runChunk(target, { seed: 3, cases: 200 }), first);
  assert.not.equal(await runChunk(target, { seed: 4, cases: 200 }), first);
});

fuzzer('law: the command counts every case, and ends with 0 where nothing is found', () => {
  const { status, stdout, stderr } = run(...OF_BROKEN, '--target', 'sound', '--cases', '450');
  assert.is(status, 0, stderr);
  assert.match(stdout, /^seed -?\d+\n/);
  assert.match(stdout, /\nsound +450 +\d+ +\d+ {2}io-magic \d+\n450 cases/);
});

fuzzer('error: a finding ends the command with 1, its seed, its path and the file', () => {
  const args = [...OF_BROKEN, '--target', 'read-otherwise', '--seed', '5'];
  const { status, stdout } = run(...args);
  assert.is(status, 1);
  const again = /again: npm run fuzz -- (--target \S+ --seed \S+ --path \S+)/.exec(stdout);
  assert.match(stdout, /I7: another reader differs[\s\S]*\n00000000\n/);
  const replayed = run(...OF_BROKEN, ...(again?.[1] ?? '').split(' '));
  assert.is(replayed.status, 1);
  assert.match(replayed.stdout, /\n00000000\n/);
});

fuzzer('error: a target that is none, a number that is none, a path alone', () => {
  for (const [args, message] of [
    [['--target', 'nothing'], /no target nothing; there are sound,/],
    [['--cases', '-1'], /--cases/],
    [['--seconds', 'soon'], /--seconds soon is no positive number/],
    [['--seed', 'x'], /--seed x is no integer/],
    [['--path', '3'], /--path needs the --target and the --seed/],
  ] as const) {
    const { status, stderr } = run(...OF_BROKEN, ...args);
    assert.is(status, 2, stderr);
    assert.match(stderr, message);
  }
});

fuzzer.run();
