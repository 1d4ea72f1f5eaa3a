/** Traces that are written while they are recorded, read by the independent reader. */

import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/engine/load.ts';
import { writeTrace } from '../../src/engine/trace-file.ts';
import { createFile } from '../../src/platform/node-write-file.ts';
import { goldenPath } from '../support/command.ts';
import { GOLDENS } from '../support/goldens.ts';
import { expectRefusal } from '../support/refusal.ts';
import { readSafetensors } from '../support/safetensors-oracle.ts';
import { scratchPath } from '../support/scratch-files.ts';

const files = suite('trace file');
const folder = scratchPath('traces');
mkdirSync(folder);
const ids = (length: number) => Array.from({ length }, (_, i) => (i * 7919 + 13) % 96);

for (const { name } of GOLDENS.slice(0, 2)) {
  files(`law: the file holds the bits of a trace in memory, chunk by chunk (${name})`, async () => {
    await using model = await load(goldenPath(name));
    for (const [length, taps] of [
      [1, []],
      [150, []],
      [150, ['*.probs', 'logits']],
      [150, ['input_ids']],
    ] as const) {
      const path = join(folder, 'trace.safetensors');
      const file = await createFile(path);
      const { tensors } = await writeTrace(model, ids(length), file, { taps });
      await file.commit();
      const written = readSafetensors(path);
      const recorded = (await model.trace(ids(length), { taps })).tensors;
      const hasIds = taps.length === 0 || taps.some((tap) => tap === 'input_ids');
      assert.is(tensors, recorded.size + Number(hasIds));
      assert.equal(
        [...written.keys()].filter((key) => key !== 'input_ids'),
        [...recorded.keys()],
      );
      for (const [key, { shape, values }] of recorded) {
        assert.equal([written.get(key)?.shape, written.get(key)?.values], [shape, values], key);
      }
      if (hasIds) assert.equal([...(written.get('input_ids')?.values ?? [])], ids(length));
    }
  });
}

files('law: memory holds a part of a long trace, and every byte is written once', async () => {
  await using model = await load(goldenPath(GOLDENS[0].name));
  const written: [number, number][] = [];
  let largest = 0;
  const writeAt = async (byteOffset: number, bytes: Uint8Array) => {
    largest = Math.max(largest, bytes.buffer.byteLength);
    written.push([byteOffset, bytes.length]);
  };
  await writeTrace(model, ids(400), { writeAt });
  written.sort(([a], [b]) => a - b);
  let end = 0;
  for (const [start, length] of written) {
    assert.is(start, end);
    end += length;
  }
  assert.ok(end > 20 * largest, `${largest} of ${end}`);
});

files('error: ids that the model does not have, taps that choose nothing', async () => {
  await using model = await load(goldenPath(GOLDENS[0].name));
  const attempt = async (prompt: number[], taps: string[] = []) => {
    const file = await createFile(join(folder, 'bad.safetensors'));
    try {
      await writeTrace(model, prompt, file, { taps });
    } finally {
      await file.abort();
    }
  };
  for (const [prompt, taps, code, where] of [
    [[5, 96], [], 'token-id', 'input_ids[1]'],
    [[1.5], [], 'token-id', 'input_ids[0]'],
    [[], [], 'prompt-empty', 'input_ids'],
    [[1], ['nothing'], 'option-value', 'taps'],
  ] as [number[], string[], 'token-id', string][]) {
    await expectRefusal(() => attempt(prompt, taps), { code, where, message: '' });
  }
  assert.equal(
    readdirSync(folder).filter((file) => file !== 'trace.safetensors'),
    [],
  );
});

files.run();
