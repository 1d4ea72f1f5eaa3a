/** The pool as its owner sees it: who ends is ended and replaced, and how often. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWorkerPool } from '../../src/engine/worker-pool.ts';
import { CONTROL_BYTES, controlOf, SLOT } from '../../src/kernels/wasm/control.ts';
import type { StartThread, ThreadEvents } from '../../src/platform/threads.ts';

const pool = suite('engine/worker-pool');

/** A pool over threads that do nothing but note what happens to them. */
function createWatchedPool() {
  const control = controlOf(new SharedArrayBuffer(CONTROL_BYTES));
  const threads: { events: ThreadEvents; ended: boolean }[] = [];
  const replaced: number[] = [];
  const start: StartThread = async (_source, events) => {
    const thread = { events, ended: false };
    threads.push(thread);
    const terminate = async () => {
      thread.ended = true;
    };
    return { post() {}, hold() {}, terminate };
  };
  const workers = createWorkerPool(start, control, (worker) => replaced.push(worker));
  const alive = () => threads.filter(({ ended }) => !ended).length;
  return { control, threads, replaced, workers, alive };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 10));

pool('law: a worker that reported its end is ended, and replaced by one', async () => {
  const { threads, replaced, workers, alive } = createWatchedPool();
  assert.is((await workers.launch(3)).length, 3);
  threads[1].events.onEnd('an error, after which a web worker goes on');
  await settle();
  assert.equal([threads.length, alive(), threads[1].ended, replaced], [4, 3, true, [1]]);
  threads[3].events.onEnd('the one in its place too');
  await settle();
  assert.equal([threads.length, alive(), threads[3].ended, replaced], [5, 3, true, [1, 1]]);
  await workers.terminate();
  assert.is(alive(), 0);
});

pool('law: after its end a pool replaces nobody', async () => {
  const { threads, workers, alive } = createWatchedPool();
  const launching = workers.launch(3);
  await workers.terminate();
  await launching;
  threads[0].events.onEnd('late');
  await workers.replaceAll();
  await settle();
  assert.equal([threads.length, alive()], [3, 0]);
});

pool('law: of any number of workers all are replaced, as one loss', async () => {
  const { control, threads, replaced, workers, alive } = createWatchedPool();
  await workers.launch(40);
  Atomics.store(control.slots, SLOT.BUSY + 39, 1);
  for (let round = 1; round <= 16; round++) {
    await workers.replaceAll();
    await settle();
    assert.equal([threads.length, alive(), replaced.length], [40 * (round + 1), 40, 40 * round]);
  }
  assert.is(Atomics.load(control.slots, SLOT.BUSY + 39), 0);
  await workers.replaceAll();
  await settle();
  assert.is(alive(), 0);
});

pool('law: after a pass without loss, losses are counted anew', async () => {
  const { workers, alive } = createWatchedPool();
  await workers.launch(2);
  for (let round = 0; round < 20; round++) {
    await workers.replaceAll();
    await settle();
    workers.trust();
  }
  assert.is(alive(), 2);
});

pool('law: workers that end again and again are given up in the end', async () => {
  const { threads, workers, alive } = createWatchedPool();
  await workers.launch(1);
  for (let round = 0; round < 40; round++) {
    threads[threads.length - 1].events.onEnd('at once');
    await settle();
  }
  assert.equal([threads.length, alive()], [17, 0]);
});

pool.run();
