/** Admission: what is refused before anything is allocated, and what is only told. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openModel } from '../../src/engine/load.ts';
import { planMemory } from '../../src/engine/plan.ts';
import { startEngine } from '../../src/engine/start-engine.ts';
import type { MachineMemory } from '../../src/platform/machine.ts';
import { expectRefusal } from '../support/refusal.ts';

const admission = suite('engine/start-engine');
const opened = await openModel();
const { config } = opened;
await opened.close();

const storedAs = () => ({ dtype: 'F32' });
const PLAN = { contextLength: 192, storedAs };
const needed = planMemory(config, PLAN).totalBytes;

/** Starts an engine on a machine with that memory. @returns the notices */
async function noticesOf(memory: MachineMemory): Promise<string[]> {
  const notices: string[] = [];
  const { engine } = await startEngine({
    ...{ config, storedAs, memory, contextLength: 192, plannedLength: 192 },
    options: { threads: 1 },
    onNotice: (notice) => notices.push(notice),
  });
  await engine.dispose();
  return notices;
}

admission('law: a model that fits is started without a word', async () => {
  assert.equal(await noticesOf({ mostBytes: needed, freeBytes: needed }), []);
});

admission('law: a model that may fit is started, with a notice of what is free', async () => {
  for (const freeBytes of [0, needed - 1]) {
    const notices = await noticesOf({ mostBytes: needed, freeBytes });
    assert.is(notices.length, 1);
    assert.match(notices[0], 'as free: it may have to give up caches, or become slow.');
  }
});

admission('error: a model that cannot fit is refused with what would', async () => {
  const less = planMemory(config, { ...PLAN, contextLength: 96 }).totalBytes;
  const smaller = planMemory(config, { ...PLAN, quantize: 'int4' }).totalBytes;
  assert.ok(smaller < needed && less < needed);
  const memory = { mostBytes: needed - 1, freeBytes: needed - 1 };
  await expectRefusal(() => noticesOf(memory), {
    code: 'out-of-memory',
    where: 'memory plan',
    message: 'but there are only',
    fix: '--context-length 192 (',
  });
  await expectRefusal(() => noticesOf({ mostBytes: 1000, freeBytes: 1000 }), {
    code: 'out-of-memory',
    where: 'memory plan',
    fix: 'Use a machine with more memory.',
  });
});

admission.run();
