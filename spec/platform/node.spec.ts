import { execFileSync, spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const node = suite('node');

const module = new URL('../../src/platform/node.ts', import.meta.url).href;
const script = `import { readStdin } from '${module}';
  try {
    const bytes = await readStdin(Number(process.argv[1]));
    console.log(JSON.stringify([...bytes].length), bytes.constructor.name);
  } catch (error) { console.log(error.code, error.message); }`;

function run(input: string | Uint8Array, maxBytes: number): string {
  const argv = ['--import', 'tsx', '--input-type=module', '-e', script, String(maxBytes)];
  return execFileSync(process.execPath, argv, { input, encoding: 'utf8' });
}

node('law: standard input is read to its end, as bytes', () => {
  assert.is(run('夜雨寄北', 100), '12 Uint8Array\n');
  assert.is(run(new Uint8Array(300_000), 300_000), '300000 Uint8Array\n');
});

node('error: standard input beyond its limit', () => {
  assert.match(run('x'.repeat(101), 100), /^io-failed .*more than 100 bytes/);
});

node('error: standard input that is a folder', () => {
  const argv = ['-c', `"${process.execPath}" --import tsx --input-type=module -e "$SCRIPT" 9 < /`];
  const env = { ...process.env, SCRIPT: script };
  const { stdout } = spawnSync('sh', argv, { env, encoding: 'utf8' });
  assert.match(stdout, /^io-not-a-file /);
});

node.run();
