/** Memory of the machine: which figures of a runtime are certain. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { machineMemory, memoryOf } from '../../src/platform/machine.ts';

const machine = suite('platform/machine');
const GB = 1e9;
const LINUX = { platform: 'linux', total: 32 * GB, free: 20 * GB, available: 20 * GB };

machine('law: on Linux and Windows what is free is certain, with any word for no limit', () => {
  const expected = { mostBytes: 20 * GB, freeBytes: 20 * GB };
  for (const constrained of [undefined, 0, 32 * GB, 2 ** 63, 2 ** 64]) {
    for (const platform of ['linux', 'win32']) {
      assert.equal(memoryOf({ ...LINUX, platform, constrained }), expected);
    }
  }
  assert.equal(memoryOf({ ...LINUX, constrained: 0, available: undefined }), expected);
});

machine('law: on macOS only the total is certain', () => {
  const mac = { ...LINUX, platform: 'darwin', constrained: 0, free: 0.1 * GB };
  assert.equal(memoryOf(mac), { mostBytes: 32 * GB, freeBytes: 0.1 * GB });
});

machine('law: in a container its limit is certain, or what the machine has free if less', () => {
  for (const available of [0, 1 * GB, 7 * GB]) {
    const inside = memoryOf({ ...LINUX, constrained: 8 * GB, available });
    assert.equal(inside, { mostBytes: 8 * GB, freeBytes: available });
  }
  const crowded = { ...LINUX, free: 3 * GB, constrained: 8 * GB, available: 7 * GB };
  assert.equal(memoryOf(crowded), { mostBytes: 3 * GB, freeBytes: 3 * GB });
});

machine('law: the runtime tells figures that can be', async () => {
  const memory = await machineMemory();
  // Browsers tell nothing.
  if (memory === undefined) return;
  assert.ok(memory.freeBytes >= 0 && memory.freeBytes <= memory.mostBytes);
  assert.ok(memory.mostBytes > 2 ** 26 && memory.mostBytes < 2 ** 50);
});

machine.run();
