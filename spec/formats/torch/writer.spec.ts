/** The writer of PyTorch files, read back by our reader and by one that shares nothing with it.
 *  `test:python` has PyTorch itself load what it writes. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bufferSource } from '../../../src/formats/byte-source.ts';
import { type TensorToWrite, writeSafetensors } from '../../../src/formats/safetensors-writer.ts';
import { stateDictPickle } from '../../../src/formats/torch/pickle-writer.ts';
import { openTorch } from '../../../src/formats/torch/torch.ts';
import { writeTorch } from '../../../src/formats/torch/writer.ts';
import { otherEntries } from '../../support/independent-torch.ts';
import { contentOf, countingBytes, joinBytes, openBytes } from '../../support/model-files.ts';
import { expectRefusal } from '../../support/refusal.ts';

const spec = suite('torch writer');

const tensor = (
  name: string,
  dtype: TensorToWrite['dtype'],
  shape: readonly number[],
  size: number,
): TensorToWrite => ({ name, dtype, shape, chunks: [countingBytes(size)] });

const TENSORS: readonly TensorToWrite[] = [
  tensor('model.embed_tokens.weight', 'F32', [7, 3], 84),
  tensor('model.norm.weight', 'BF16', [300], 600),
  tensor('one', 'F16', [1, 1, 1], 2),
  tensor('scalar', 'F64', [], 8),
  tensor('empty', 'F32', [0, 5], 0),
  tensor('whole', 'I64', [2], 16),
  tensor('bytes', 'I8', [70_000], 70_000),
];

/** The bytes that a writer makes. */
async function written(
  write: (sink: { write(bytes: Uint8Array): Promise<void> }) => Promise<void>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await write({ write: async (bytes) => void parts.push(bytes.slice()) });
  return joinBytes(...parts);
}

const bytes = await written((sink) => writeTorch(sink, TENSORS));

spec('law: every tensor is read back, as from a safetensors file', async () => {
  const found = await openTorch(bufferSource('x.bin', bytes));
  const expected = await openBytes(await written((sink) => writeSafetensors(sink, TENSORS)));
  assert.equal(await contentOf(found), await contentOf(expected));
  assert.equal(
    [...found.tensors.keys()],
    TENSORS.map(({ name }) => name),
  );
});

spec('law: zip.js finds the entries of torch.save, with their checksums', async () => {
  const entries = await otherEntries(bytes);
  const names = ['data.pkl', ...TENSORS.map((_, key) => `data/${key}`), 'version'];
  assert.equal(
    entries.map(({ name }) => name),
    names.map((name) => `archive/${name}`),
  );
  for (const [index, entry] of entries.slice(1, -1).entries()) {
    const [expected] = [...(TENSORS[index].chunks as Iterable<Uint8Array>)];
    assert.equal(Uint8Array.from(await entry.data()), expected);
  }
});

spec('law: storages lie at multiples of 64 bytes', async () => {
  const view = new DataView(bytes.buffer);
  for (const { headerOffset, name } of await otherEntries(bytes)) {
    const begin =
      headerOffset +
      30 +
      view.getUint16(headerOffset + 26, true) +
      view.getUint16(headerOffset + 28, true);
    assert.is(begin % 64, 0, name);
  }
});

spec('law: data may come in pieces', async () => {
  const whole = countingBytes(84);
  const pieces = { ...TENSORS[0], chunks: [whole.subarray(0, 5), whole.subarray(5)] };
  const found = await written((sink) => writeTorch(sink, [pieces, ...TENSORS.slice(1)]));
  assert.equal(found, bytes);
});

for (const size of [83, 85]) {
  spec(`error: ${size} bytes for a tensor of 84`, async () => {
    const short = { ...TENSORS[0], chunks: [countingBytes(size)] };
    await expectRefusal(() => written((sink) => writeTorch(sink, [short])), {
      ...{ code: 'shape-mismatch', where: 'model.embed_tokens.weight', found: size },
    });
  });
}

spec('error: a type that PyTorch has no storage of', async () => {
  const other = { name: 'x', dtype: 'F8_E4M3', shape: [1] } as const;
  await expectRefusal(() => stateDictPickle([other as never]), {
    ...{ code: 'model-dtype', where: 'x', message: 'F8_E4M3' },
  });
});

spec.run();
