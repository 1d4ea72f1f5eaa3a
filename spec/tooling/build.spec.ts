/** The build and the launcher: what is fresh is left alone, what is stale is never taken for fresh.
 *
 *  The laws work on one small project with the real tooling, one after the other. */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createProject } from '../support/project.ts';

const MAIN = `/** Echoes. */
import { greet } from '../greet.ts';

declare const process: {
  argv: string[];
  stdin: AsyncIterable<string> & { setEncoding(encoding: string): void };
  stdout: { write(text: string): void };
  exitCode: number;
};

let input = '';
process.stdin.setEncoding('utf8');
for await (const chunk of process.stdin) input += chunk;
process.stdout.write(JSON.stringify({ args: process.argv.slice(2), input, greeting: greet() }));
process.exitCode = 6;
`;
const WORKER = `/** Greets. */
import { greet } from '../greet.ts';

declare const process: { stdout: { write(text: string): void } };

process.stdout.write(greet());
`;
const REPORT = `/** Greets a reader. */
import { greet } from '../../../greet.ts';

export const title = \`</script>\${greet()}\`;
`;
const greeting = (text: string) => `export const greet = (): string => '${text}';\n`;

const tsconfig = JSON.parse(readFileSync(new URL('../../tsconfig.json', import.meta.url), 'utf8'));
const lean = { ...tsconfig.compilerOptions, lib: ['ES2022'], types: [] };

const project = createProject({
  'src/cli/main.ts': MAIN,
  'src/greet.ts': greeting('first'),
  'src/engine/engine-worker.ts': WORKER,
  'src/conform/report/client/main.ts': REPORT,
  // Fewer declarations to read: a third of the time.
  'tsconfig.json': JSON.stringify({ ...tsconfig, compilerOptions: lean }),
  'src/bytes.ts': `export * from './kernels/wasm/binary.generated.ts';\n`,
});
const first = project.run('build.mjs');
const read = (file: string) => readFileSync(project.at(file), 'utf8');

/** Builds and expects it to work. @returns whether anything was compiled */
function build(): boolean {
  const { status, stderr, stdout } = project.run('build.mjs');
  assert.is(status, 0, stderr);
  assert.is(stdout, '');
  return !stderr.includes('up to date');
}

const spec = suite('build');

spec('law: a build makes modules, types, maps and the kernels, imports rewritten to .js', () => {
  assert.is(first.status, 0, first.stderr);
  for (const file of ['greet.js', 'greet.d.ts', 'greet.js.map', 'wasm/kernels.debug.wasm']) {
    assert.ok(existsSync(project.at(`dist/${file}`)), file);
  }
  assert.match(read('dist/cli/main.js'), /from ["']..\/greet.js["']/);
});

spec('law: the command has a first line for the shell, the mode, and a map to its source', () => {
  assert.match(read('dist/cli/main.js'), /^#!\/usr\/bin\/env node\n/);
  assert.is(statSync(project.at('dist/cli/main.js')).mode & 0o777, 0o755);
  const map = JSON.parse(read('dist/cli/main.js.map'));
  assert.equal(map.sources, ['../../src/cli/main.ts']);
  assert.match(map.mappings, /^;[^;]/);
});

spec('law: the generated module holds the bytes of every compiled module', () => {
  const text = read('src/kernels/wasm/binary.generated.ts');
  const constants = [
    ...text.matchAll(/^export const (\w+)_BASE64: string =\n {2}'([\w+/=]+)';$/gm),
  ];
  const names = constants.map(([, name]) => name.toLowerCase().replaceAll('_', '-'));
  assert.equal(names, [
    ...['kernels-baseline', 'kernels-baseline-shared', 'kernels-relaxed', 'kernels-relaxed-shared'],
    'relaxed-probe',
  ]);
  for (const [index, name] of names.entries()) {
    const bytes = readFileSync(project.at(`dist/wasm/${name}.wasm`));
    assert.ok(bytes.equals(Buffer.from(constants[index][2], 'base64')), name);
    if (!name.includes('relaxed')) assert.ok(WebAssembly.validate(bytes), name);
  }
});

spec('law: the script of the workers stands alone, as a file and as a text', () => {
  const script = read('dist/worker.js');
  assert.is(/\b(import|export|require)\b/.test(script), false);
  const printed = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.is(printed.stdout, 'first');
  const [, text = ''] = /^export const ENGINE_WORKER_SOURCE: string =\n {2}(".*");$/m.exec(
    read('src/engine/worker.generated.ts'),
  ) ?? ['', '""'];
  assert.is(JSON.parse(text), script);
});

spec('law: the script of reports stands alone as a text', () => {
  const [, text = ''] = /^export const REPORT_SCRIPT: string =\n {2}(".*");$/m.exec(
    read('src/conform/report/script.generated.ts'),
  ) ?? ['', '""'];
  assert.is(/\b(import|export|require)\b/.test(JSON.parse(text)), false);
  assert.match(JSON.parse(text), 'first');
  // It stands in a page: nothing in it may end its element.
  assert.is(/<\/script/i.test(JSON.parse(text)), false);
});

spec('law: a second build does nothing, within a second', () => {
  // The best of three: a busy machine is no fault of the build's.
  const durationsMs = [1, 2, 3].map(() => {
    const begin = performance.now();
    assert.is(build(), false);
    return performance.now() - begin;
  });
  assert.ok(Math.min(...durationsMs) < 1000, String(durationsMs));
});

spec('law: a source that was touched but not changed is not compiled again', () => {
  utimesSync(project.at('src/greet.ts'), new Date(), new Date());
  assert.is(build(), false);
});

spec('law: a source changed to the same size at the same time is compiled again', () => {
  const { atime, mtime } = statSync(project.at('src/greet.ts'));
  project.write('src/greet.ts', greeting('fir5t'));
  utimesSync(project.at('src/greet.ts'), atime, mtime);
  assert.is(build(), true);
  assert.match(read('dist/greet.js'), 'fir5t');
});

spec('law: an output that was deleted or overwritten is made again', () => {
  rmSync(project.at('dist/greet.js'));
  assert.is(build(), true);
  writeFileSync(project.at('dist/greet.js'), read('dist/greet.js'));
  assert.is(build(), true);
  assert.is(build(), false);
});

spec('law: what a deleted source had left in dist/ goes away', () => {
  project.write('src/extra.ts', greeting('extra'));
  build();
  assert.ok(existsSync(project.at('dist/extra.js')));
  rmSync(project.at('src/extra.ts'));
  build();
  assert.is(existsSync(project.at('dist/extra.js')), false);
});

spec('error: a source that does not compile fails each build until it is mended', () => {
  const good = read('src/greet.ts');
  project.write('src/greet.ts', `export const greet = (): string => 3;\n`);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const { status, stdout, stderr } = project.run('build.mjs');
    assert.is(status, 1);
    assert.is(stdout, '');
    assert.match(stderr, /src\/greet\.ts\(1,\d+\): error TS2322/);
  }
  project.write('src/greet.ts', good);
  // The workers' script is made without types, so it was made of the bad source and is again.
  build();
  assert.is(build(), false);
});

spec('law: a build that was killed leaves nothing that looks fresh', async () => {
  for (const delayMs of [150, 500, 900]) {
    project.write('src/greet.ts', greeting(`killed after ${delayMs}`));
    const running = project.start('build.mjs');
    await sleep(delayMs);
    running.kill();
    await running.ended;
    build();
    assert.match(read('dist/greet.js'), `killed after ${delayMs}`);
  }
  assert.is(build(), false);
});

spec('law: builds at the same time all succeed and leave a fresh state', async () => {
  project.write('src/greet.ts', greeting('together'));
  const running = [1, 2, 3].map(() => project.start('build.mjs').ended);
  assert.equal(await Promise.all(running), [0, 0, 0]);
  assert.is(build(), false);
  assert.match(read('dist/greet.js'), 'together');
});

spec('law: the launcher rebuilds on stderr and passes arguments, stdin and exit code', () => {
  project.write('src/greet.ts', greeting('launched'));
  for (const builds of [true, false]) {
    const args = ['generate', '--prompt', 'a b', '--', '-x'];
    const { status, stdout, stderr } = project.run('baichuan.mjs', args, '海上\n');
    assert.is(status, 6);
    assert.equal(JSON.parse(stdout), { args, input: '海上\n', greeting: 'launched' });
    assert.is(stderr !== '', builds);
  }
});

spec('law: every kind of build clears away the folder of one that was killed, fresh or not', () => {
  const { pid } = project.run('build.mjs');
  const script = JSON.stringify(project.at('.scripts/build.mjs'));
  const kernelsOnly = `import(${script}).then(({ buildKernels }) => buildKernels(() => {}))`;
  const runs = [
    () => project.run('build.mjs'),
    () => spawnSync(process.execPath, ['-e', kernelsOnly]),
  ];
  for (const run of runs) {
    project.write(`.dist-${pid}/layers/rope.js`, '');
    project.write(`.dist-${process.pid}/greet.js`, '');
    assert.is(run().status, 0);
    assert.is(existsSync(project.at(`.dist-${pid}`)), false);
    assert.ok(existsSync(project.at(`.dist-${process.pid}`)), 'that of a living process stays');
  }
  rmSync(project.at(`.dist-${process.pid}`), { recursive: true });
});

spec('law: nothing but dist/ and the generated modules is left behind', () => {
  const names = readdirSync(project.at('.'));
  assert.equal(
    names.filter((name) => name.startsWith('.')),
    ['.scripts'],
  );
});

spec.after(() => project.remove());

spec.run();
