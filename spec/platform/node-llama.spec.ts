/** The process of native llama.cpp, with modules that stand for node-llama-cpp: one that works, and
 *  others that fail in every way. The real one is tried by `bench/peers/check-conform.mjs`. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LlamaOptions, openLlama } from '../../src/platform/node-llama.ts';
import { expectRefusal } from '../support/refusal.ts';
import { scratchPath } from '../support/scratch-files.ts';

const spec = suite('native llama');

/** A project with a module of that name. */
function project(code: string): string {
  const folder = scratchPath('project');
  const module = join(folder, 'node_modules/node-llama-cpp');
  mkdirSync(module, { recursive: true });
  const about = { name: 'node-llama-cpp', type: 'module', exports: './index.js' };
  writeFileSync(join(module, 'package.json'), JSON.stringify(about));
  writeFileSync(join(module, 'index.js'), code);
  return folder;
}

/** A module whose sequence evaluates by an expression, a row of three tokens per asked position. */
const moduleOf = (evaluate: string, load = '') => `
let history = 0;
export async function getLlama() {
  return {
    llamaCppRelease: { release: 'b1' },
    async loadModel({ modelPath }) {
      ${load}
      return {
        tokenize: (text, special) => [...text].map((c) => c.charCodeAt(0) + (special ? 1000 : 0)),
        async createContext({ contextSize }) {
          const controlledEvaluate = async (input) => input.map((item, i) => {
            history += 1;
            if (!Array.isArray(item)) return undefined;
            const row = new Map([[2, i], [0, item[0]], [1, contextSize + history]]);
            ${evaluate}
          });
          const clearHistory = async () => { history = 0; };
          return { getSequence: () => ({ controlledEvaluate, clearHistory }) };
        },
      };
    },
  };
}`;

const SCORES = moduleOf('return { next: { logits: row } };');
const OPTIONS = { modelPath: 'x.gguf', contextLength: 100, timeoutMs: 120_000 };
const open = (code: string, options: Partial<LlamaOptions> = {}) =>
  openLlama({ ...OPTIONS, project: project(code), ...options });

spec('law: texts are encoded without special pieces, prompts start on an empty cache', async () => {
  const llama = await open(SCORES);
  assert.is(llama.name, 'node-llama-cpp (llama.cpp b1)');
  assert.equal(await llama.encode('ab'), [97, 98]);
  for (let again = 0; again < 2; again++) {
    // Row i: the token there, context and history, the position.
    assert.equal(await llama.next([7, 8, 9], [0, 2]), [
      { kind: 'scores', values: [7, 101, 0] },
      { kind: 'scores', values: [9, 103, 2] },
    ]);
  }
  await llama.close();
});

spec('law: a module without scores gives probabilities', async () => {
  const llama = await open(moduleOf('return { next: { probabilities: row } };'));
  assert.equal(await llama.next([7], [0]), [{ kind: 'probabilities', values: [7, 101, 0] }]);
  await llama.close();
});

spec('law: numbers that are none arrive as such', async () => {
  const row = 'new Map([[0, NaN], [1, -Infinity], [2, Infinity]])';
  const llama = await open(moduleOf(`return { next: { logits: ${row} } };`));
  const [{ values }] = await llama.next([7], [0]);
  assert.equal([...values], [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
  await llama.close();
});

spec('error: a project without node-llama-cpp', async () => {
  const folder = scratchPath('empty');
  mkdirSync(folder);
  await expectRefusal(() => openLlama({ ...OPTIONS, project: folder }), {
    ...{ code: 'backend-missing', where: 'node-llama-cpp', fix: 'npm i node-llama-cpp' },
  });
});

for (const [title, code, where, message] of [
  ['that does not load', `throw new TypeError('no binary');`, 'load', 'no binary'],
  ['whose model is refused', moduleOf('', `throw new Error('bad magic');`), 'load', 'bad magic'],
  ['that aborts', moduleOf('', 'process.abort();'), 'load', 'SIGABRT'],
] as const) {
  spec(`error: a module ${title}`, async () => {
    const folder = project(code);
    await expectRefusal(() => openLlama({ ...OPTIONS, project: folder }), {
      ...{ code: 'backend-failed', where, message, withinMs: 60_000 },
    });
  });
}

spec('error: a module that crashes in the middle of a prompt', async () => {
  const llama = await open(moduleOf('process.abort();'));
  const error = await llama.next([7], [0]).catch((caught: unknown) => caught);
  assert.match(String(error), /backend-failed: node-llama-cpp, next: .*SIGABRT/);
  const later = await llama.next([7], [0]).catch((caught: unknown) => caught);
  assert.match(String(later), /backend-failed/);
  await llama.close();
});

spec('error: a module that hangs', async () => {
  const hangs = project(moduleOf('', 'await new Promise(() => setInterval(() => {}, 1000));'));
  await expectRefusal(() => openLlama({ ...OPTIONS, project: hangs, timeoutMs: 300 }), {
    ...{ code: 'backend-timeout', message: '0.3 s', fix: '--timeout', withinMs: 60_000 },
  });
});

spec('error: a run that is interrupted while it loads', async () => {
  const hangs = project(moduleOf('', 'await new Promise(() => setInterval(() => {}, 1000));'));
  const start = () => openLlama({ ...OPTIONS, project: hangs, signal: AbortSignal.timeout(200) });
  await expectRefusal(start, { code: 'aborted', withinMs: 60_000 });
});

spec.run();
