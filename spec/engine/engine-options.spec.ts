/** Options, settled: what is told when an engine cannot be as fast as the machine. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type EngineOptions,
  isPackingShared,
  settleEngineOptions,
} from '../../src/engine/engine-options.ts';
import { availableThreads } from '../../src/platform/machine.ts';

const settling = suite('engine/engine-options');

/** Notices for a model where no memory can be shared. */
async function noticesAlone(options: EngineOptions, small: boolean): Promise<string[]> {
  const shared = globalThis.SharedArrayBuffer;
  const notices: string[] = [];
  Object.assign(globalThis, { SharedArrayBuffer: undefined });
  try {
    const kind = { small, quantized: false };
    const choice = await settleEngineOptions(options, kind, (notice) => notices.push(notice));
    assert.equal([choice.threads, choice.shared], [1, false]);
  } finally {
    Object.assign(globalThis, { SharedArrayBuffer: shared });
  }
  return notices;
}

settling('law: one thread in place of several is told, with its reason', async () => {
  const several = (await availableThreads()) > 1;
  for (const [options, small, told] of [
    [{}, false, several],
    [{}, true, false],
    [{ threads: 1 }, false, false],
    [{ threads: 4 }, false, true],
    [{ threads: 4 }, true, true],
  ] as const) {
    const notices = await noticesAlone(options, small);
    assert.is(notices.length, Number(told), JSON.stringify([options, small]));
    if (told) assert.match(notices[0], 'One thread is used: without SharedArrayBuffer');
  }
});

settling('law: the pool packs weights where a core is left for the reader', () => {
  const shared = [1, 2, 3, 4].map((cores) => [1, 2, 4].map((n) => isPackingShared(n, cores)));
  const [few, many] = [
    [false, false, false],
    [false, true, true],
  ];
  assert.equal(shared, [few, few, many, many]);
});

settling.run();
