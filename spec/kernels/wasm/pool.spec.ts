/** The pool after a failure: who may still be at work is waited for, and a call that was given up
 *  is nobody's. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../../src/errors.ts';
import type { Bank } from '../../../src/kernels/wasm/bank.ts';
import {
  CONTROL_BYTES,
  controlOf,
  type KernelCall,
  reportFailure,
  SLOT,
  workOn,
} from '../../../src/kernels/wasm/control.ts';
import { createPoolRunner } from '../../../src/kernels/wasm/pool.ts';

const pool = suite('kernels/wasm/pool');

const LARGE = { units: 64, align: 8, work: 2 ** 20 };
const SMALL = { units: 4, work: 16 };

/** A runner with two workers that never come, over kernels that do what they are told. */
function createPool(
  kernel: (control: ReturnType<typeof controlOf>) => void,
  patience = { progressMs: 20, settleMs: 5 },
) {
  const control = controlOf(new SharedArrayBuffer(CONTROL_BYTES));
  const kernels = Array.from({ length: 60 }, () => () => kernel(control));
  const bank = { index: 0, kernels } as unknown as Bank;
  const runner = createPoolRunner(control, 3, patience);
  const run = (range: typeof LARGE | typeof SMALL) => runner.run(bank, 'rmsNorm', [1], range);
  return { control, run };
}

function codeOf(action: () => void): string | undefined {
  try {
    action();
  } catch (error) {
    return error instanceof BaichuanError ? error.code : String(error);
  }
  return undefined;
}

pool('law: after a failure no kernel runs, however small, while a worker is still at work', () => {
  let calls = 0;
  const { control, run } = createPool(({ slots }) => {
    calls += 1;
    if (calls > 1) return;
    // Worker 1 has claimed a ticket and is slow; worker 0 ends in the middle of its own.
    Atomics.store(slots, SLOT.BUSY, 1);
    Atomics.store(slots, SLOT.BUSY + 1, 1);
    Atomics.add(slots, SLOT.NEXT, 2);
    reportFailure(control, 0, 'it ended');
  });
  assert.is(
    codeOf(() => run(LARGE)),
    'worker-failed',
  );
  const before = calls;
  assert.is(
    codeOf(() => run(SMALL)),
    'worker-lost',
  );
  assert.is(calls, before);
  Atomics.store(control.slots, SLOT.BUSY + 1, 0);
  assert.is(
    codeOf(() => run(SMALL)),
    undefined,
  );
  assert.is(
    codeOf(() => run(LARGE)),
    undefined,
  );
});

pool('law: a stop is heard while a worker is waited for, which is named if it holds on', () => {
  for (const [worker, code] of [
    ['holds on', 'worker-lost'],
    ['has let go', 'aborted'],
  ]) {
    const busy = Number(worker === 'holds on');
    let calls = 0;
    const kernel = ({ slots }: ReturnType<typeof controlOf>) => {
      calls += 1;
      if (calls > 1) return;
      Atomics.store(slots, SLOT.BUSY + 1, busy);
      Atomics.add(slots, SLOT.NEXT, 1);
      Atomics.store(slots, SLOT.ABORT, 1);
    };
    const { control, run } = createPool(kernel, { progressMs: 20_000, settleMs: 5 });
    const begin = performance.now();
    const found = codeOf(() => run(LARGE));
    assert.is(found, code, worker);
    assert.is(
      codeOf(() => run(SMALL)),
      'aborted',
    );
    Atomics.store(control.slots, SLOT.ABORT, 0);
    Atomics.store(control.slots, SLOT.BUSY + 1, 0);
    const before = calls;
    assert.is(
      codeOf(() => run(SMALL)),
      undefined,
    );
    assert.is(calls, before + 1);
    assert.ok(performance.now() - begin < 10_000, worker);
  }
});

pool('law: of a call that was given up no ticket is left', () => {
  const { control, run } = createPool(() => {
    throw new Error('a trap');
  });
  assert.is(
    codeOf(() => run(LARGE)),
    'worker-failed',
  );
  const call: KernelCall = { kernel: 0, bank: 0, args: [], units: 64, grain: 8 };
  let claimed = 0;
  workOn(control, Atomics.load(control.slots, SLOT.CALL), call, () => {
    claimed += 1;
  });
  assert.is(claimed, 0);
});

pool('law: a worker that ends while it has nothing to do fails no call', () => {
  const { control, run } = createPool(() => reportFailure(control, 1, 'it ended'));
  assert.is(
    codeOf(() => run(LARGE)),
    undefined,
  );
});

pool.run();
