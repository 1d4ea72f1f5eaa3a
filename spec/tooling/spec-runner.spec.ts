/** `npm test` itself: every way in which a spec file can pass in silence must fail it.
 *
 *  One run of the runner over a folder of tiny spec files, each with one fault; the laws read its
 *  output. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

interface Case {
  name: string;
  /** The body of the file, after `const spec = suite('s');`. */
  body: string;
  /** What the runner says about it. */
  says: string;
  /** What its name ends in, when not .spec.ts. */
  ending?: string;
}

const PASSES = `spec('law: passes', () => {});`;
const THROWS = `() => { throw new Error('thrown on purpose'); }`;

const BAD: Case[] = [
  { name: 'run-missing', body: PASSES, says: 'run() is missing' },
  { name: 'empty', body: '', says: 'reports no test' },
  { name: 'no-test', body: 'spec.run();', says: 'reports no test' },
  {
    name: 'second-suite',
    body: `${PASSES} spec.run(); suite('t')('law: unrun', () => {});`,
    says: 'law: unrun',
  },
  { name: 'before', body: `spec.before(${THROWS}); ${PASSES} spec.run();`, says: 'before hook' },
  { name: 'after', body: `spec.after(${THROWS}); ${PASSES} spec.run();`, says: 'after hook' },
  {
    name: 'before-each',
    body: `spec.before.each(${THROWS}); ${PASSES} spec.run();`,
    says: 'before.each hook',
  },
  {
    name: 'after-each',
    body: `spec.after.each(${THROWS}); ${PASSES} spec.run();`,
    says: 'after.each hook',
  },
  {
    name: 'only',
    body: `${PASSES} spec.only('law: alone', () => {}); spec.run();`,
    says: '.only is left in: law: alone',
  },
  {
    name: 'skip',
    body: `${PASSES} spec.skip('law: left out', () => {}); spec.run();`,
    says: '.skip is left in: law: left out',
  },
  { name: 'title', body: `spec('works', () => {}); spec.run();`, says: 'does not begin with' },
  { name: 'twice', body: `${PASSES} ${PASSES} spec.run();`, says: 'stands twice' },
  { name: 'fails', body: `spec('law: false', ${THROWS}); spec.run();`, says: 'thrown on purpose' },
  {
    name: 'import',
    body: `await import('./missing.ts'); ${PASSES} spec.run();`,
    says: 'Cannot find module',
  },
  {
    name: 'crash-later',
    body: `${PASSES} spec.run(); setTimeout(${THROWS}, 50);`,
    says: 'the file crashed',
  },
  {
    name: 'rejects',
    body: `spec('law: floats', () => { Promise.reject(new Error('afloat')); }); spec.run();`,
    says: 'a rejected promise was left alone',
  },
  {
    name: 'exits',
    body: `spec('law: leaves', () => { process.exit(0); }); ${PASSES} spec.run();`,
    says: 'never ran to the end',
  },
  {
    name: 'never-settles',
    body: `spec('law: waits', () => new Promise(() => {})); spec.run();`,
    says: 'never ran to the end',
  },
  {
    name: 'killed',
    body: `spec('law: dies', () => { process.kill(process.pid, 'SIGKILL'); }); spec.run();`,
    says: 'without a report',
  },
  {
    name: 'exit-code',
    body: `${PASSES} spec.run(); process.on('exit', () => { process.exitCode = 3; });`,
    says: 'the file ended with 3',
  },
  {
    name: 'exit-code-before',
    body: `process.exitCode = 3; ${PASSES} spec.run();`,
    says: 'the file set the exit code 3',
  },
  {
    name: 'exit-code-in-test',
    body: `spec('law: sets it', () => { process.exitCode = 3; }); spec.run();`,
    says: 'the file set the exit code 3',
  },
  {
    name: 'node-test',
    body: `import { test } from 'node:test'; test('t', ${THROWS});
      await new Promise((resolve) => setTimeout(resolve, 100)); ${PASSES} spec.run();`,
    says: 'the file set the exit code 1',
  },
  {
    name: 'unsettled',
    body: `${PASSES} spec.run(); await new Promise(() => {});
      const late = suite('t'); late('law: late', ${THROWS}); late.run();`,
    says: 'was not evaluated to its end',
  },
  {
    name: 'exits-after',
    body: `spec.after(() => process.exit(0)); ${PASSES} spec.run();`,
    says: 'ended before all its suites had run',
  },
  {
    name: 'leaves-early',
    body: `${PASSES} spec.run(); process.exit(0);`,
    says: 'was not evaluated to its end',
  },
  {
    name: 'hangs',
    body: `${PASSES} spec.run(); setInterval(() => {}, 1000);`,
    says: 'was ended after 10 s',
  },
];

const GOOD: Case = {
  name: 'good',
  body: `${PASSES} spec('error: passes, too', async () => {}); spec.run();`,
  says: '',
};

interface Run {
  status: number | null;
  lines: string[];
}

/** Runs the runner over these files in a folder of their own. */
function runOver(cases: Case[], ...words: string[]): Run {
  const folder = mkdtempSync(path.join(tmpdir(), 'spec-runner-'));
  try {
    writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
    for (const { name, body, ending = '.spec.ts' } of cases) {
      const text = `import { suite } from 'uvu';\nconst spec = suite('s');\n${body}\n`;
      writeFileSync(path.join(folder, `${name}${ending}`), text);
    }
    const script = path.resolve(import.meta.dirname, '../../.scripts/test.mjs');
    const options = ['--folder', folder, '--limit', '10'];
    const { status, stdout } = spawnSync(process.execPath, [script, ...options, ...words], {
      encoding: 'utf8',
    });
    return { status, lines: stdout.trimEnd().split('\n') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The line of a file and what is indented below it. */
function sectionOf(name: string, lines: string[]): string {
  const begin = lines.findIndex((line) => line.includes(`/${name}.spec.ts `));
  const length = lines.slice(begin + 1).findIndex((line) => !line.startsWith(' '));
  return lines.slice(begin, begin + 1 + length).join('\n');
}

const bad = runOver([...BAD, GOOD]);
const good = runOver([GOOD]);
const spec = suite('spec runner');

for (const { name, says } of BAD) {
  spec(`error: a file with the fault "${name}" fails, and the runner says so`, () => {
    const section = sectionOf(name, bad.lines);
    assert.match(section.split('\n')[0] ?? '', / [1-9]\d* FAILED {2}/);
    assert.ok(section.includes(says), section);
  });
}

spec('law: the exit code is 1 when any file fails, 0 when none does', () => {
  assert.is(bad.status, 1);
  assert.is(good.status, 0);
});

spec('law: the last line is the sum of the files, alone', () => {
  assert.is(good.lines.at(-1), '2 passed, 0 failed');
  let failed = 0;
  for (const line of bad.lines) failed += Number(/ (\d+) FAILED {2}/.exec(line)?.[1] ?? 0);
  assert.match(bad.lines.at(-1) ?? '', new RegExp(`^\\d+ passed, ${failed} failed$`));
});

spec('law: a passing file takes one line with its count', () => {
  assert.match(sectionOf('good', bad.lines), /good\.spec\.ts {2}2 {2}\d+\.\d s$/);
});

spec('law: a filter runs the matching files only, and says so', () => {
  const { status, lines } = runOver([...BAD, GOOD], 'good');
  assert.is(status, 0);
  assert.match(lines[0] ?? '', new RegExp(`^1 of ${BAD.length + 1} spec files match good;`));
  assert.is(lines.at(-1), '2 passed, 0 failed');
});

spec('error: a filter that matches nothing fails', () => {
  const { status, lines } = runOver([GOOD], 'no-such-file');
  assert.is(status, 1);
  assert.is(lines.at(-1), '0 passed, 1 failed');
});

spec('error: a file named like a spec of another kind fails: it would never run', () => {
  const names = ['.test.ts', '.spec.js', '.spec.mts', '.spec.tsx', '.specs.ts', '_spec.ts'];
  const strangers = names.map((ending) => ({ ...GOOD, name: 'stranger', ending }));
  const { status, lines } = runOver([GOOD, ...strangers]);
  assert.is(status, 1);
  for (const ending of names) {
    const line = lines.find((text) => text.includes(`/stranger${ending} `)) ?? '';
    assert.match(line, /never runs: .* \*\.spec\.ts$/);
  }
  assert.is(lines.at(-1), `2 passed, ${names.length} failed`);
});

spec('error: a folder without spec files fails', () => {
  const { status, lines } = runOver([]);
  assert.is(status, 1);
  assert.is(lines.at(-1), '0 passed, 1 failed');
});

spec.run();
